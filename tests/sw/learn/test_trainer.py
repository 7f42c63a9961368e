"""The training loop: what it learns, resumes and refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import PROVENANCE, speech

from sim import bistable, golden
from sw.cli import UserError
from sw.data.dataset import split
from sw.data.partition import hold_out
from sw.encoder import EventsEncoder
from sw.learn import answers
from sw.learn.batches import Augmentation, EventAugmentation
from sw.learn.inference import run, run_images, run_inputs
from sw.learn.presets import preset
from sw.learn.recipes import hidden_layers
from sw.learn.trainer import Trainer
from sw.rules import RULES


def small(**changes):
    return preset("digits", **{"hidden": (20,), "epochs": 3, "batch": 32, "rate": 0.02} | changes)


def test_augmentation_knows_the_maps_of_an_image(digits):
    """Mirrored, two orientations stay where they are, four do not; colours do."""
    flip = Augmentation(degrees=0, scale=0, shift=0, flip=True)
    ends = []
    for maps, oriented in ((1, True), (2, True), (4, False), (4, True)):
        data = replace(digits, maps=maps, oriented=oriented)
        trainer = Trainer(small(epochs=1, augmentation=flip), data)
        trainer.fit()
        ends.append(state(trainer))
    one, two, colours, four = ends
    for same in (two, colours):
        assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one, four, strict=True))


def test_whole_groups_are_held_out(digits):
    """Of two people with 500 images each one is; without groups it is 33 of 100 of each class."""
    labels, groups = np.arange(1000) % 10, np.arange(1000) // 500
    people = replace(
        digits,
        train_images=np.resize(digits.train_images, (1000, 8, 8)),
        train_labels=labels,
        train_groups=groups,
    )
    recipe = small(batch=10, validation=0.33)
    assert Trainer(recipe, people).batches == 50
    assert Trainer(recipe, replace(people, train_groups=None)).batches == 67


class KilledError(Exception):
    pass


def _kill_at(*when):
    def kill(*now):
        if now == when:
            raise KilledError

    return kill


def small_events(**changes):
    fields = {"hidden": (20,), "steps": 10, "epochs": 8, "batch": 16, "rate": 0.01, "settings": {}}
    return preset("fsdd", **{**fields, "augmentation": EventAugmentation(pitch=0.0)} | changes)


@pytest.fixture
def words(rng):
    return speech(rng)


def state(trainer):
    return [value.clone() for value in trainer.rule.state_dict().values()]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"hidden": (20, 12)},
        {"hidden": ()},
        {"pool": 2, "inputs": 9},
        {"steps": 1},
    ],
    ids=str,
)
def test_learns(digits, changes):
    trainer = Trainer(small(**changes), digits)
    trainer.fit()
    assert [entry.epoch for entry in trainer.history] == [1, 2, 3]
    assert trainer.history[-1].validation_accuracy > 0.15  # chance is 0.1
    assert len(trainer.history[-1].spikes_mean) == len(trainer.rule.weights)


# The published baselines are slow learners: tests/sw/rules has them learn, with settings for it
@pytest.mark.parametrize("rule", ["bstdg", "stdg", "surrogate"])
def test_every_rule_learns(digits, rule):
    recipe = preset("digits", rule=rule, hidden=(30,), epochs=8, batch=32)
    trainer = Trainer(recipe, digits)
    trainer.fit()
    assert trainer.history[-1].validation_accuracy > 0.3  # chance is 0.1
    figures = trainer.answer(digits).figures(digits.test_labels)
    assert figures.accuracy > 0.3


@pytest.mark.parametrize("rule", ["bstdg", "stdg", "surrogate"])
def test_rules_that_take_events_learn_them(words, rule):
    recipe = small_events(rule=rule, rate=RULES[rule].rate, epochs=20)
    trainer = Trainer(recipe, words)
    assert trainer.encoder == EventsEncoder(channels=12)
    trainer.fit()
    figures = trainer.answer(words).figures(words.test_labels)
    assert figures.images == 60
    assert figures.accuracy > 0.6  # chance is 0.33


def small_maps(**changes):
    settings = {"integer": False, "anneal_share": 0.5, "momentum": 0.1, "calibration": 3}
    fields = {"hidden": hidden_layers("8c3p1-f2-8c2"), "epochs": 6, "batch": 32, "rate": 0.02}
    return preset("digits", **fields | {"settings": settings} | changes)


@pytest.mark.parametrize("rule", ["surrogate", "bstdg"])
def test_maps_learn_and_answer_as_the_golden_model(rule, digits):
    settings = {"anneal_share": 0.5, "momentum": 0.1, "calibration": 3}
    recipe = small_maps() if rule == "surrogate" else small_maps(rule=rule, settings=settings)
    trainer = Trainer(recipe, digits)
    trainer.fit()
    last = trainer.history[-1]
    assert last.validation_accuracy > 0.5  # chance is 0.1
    network = trainer.network("x", PROVENANCE)
    assert network.structure == "1x8x8-8c3p1-f2-8c2-10"
    assert len(last.spikes_mean) == len(network.layers)
    answered = golden.run_images(network, digits.test_images)
    own = trainer.answer(digits)
    np.testing.assert_array_equal(own.label, answered.label)
    np.testing.assert_array_equal(own.margin, answered.margin)
    for mine, theirs in zip(own.times, answered.times, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def small_bistable(**changes):
    fields = {"hidden": hidden_layers("8c3p1-m2-8c3p1+1x4-a2"), "epochs": 5, "batch": 32}
    settings = {"calibration": 3, "ramp": 0.4}
    return preset("digits", rule="bistable", **fields | {"settings": settings} | changes)


def test_bistable_networks_learn_and_answer_as_the_golden_model(digits):
    trainer = Trainer(small_bistable(), digits)
    trainer.fit()
    last = trainer.history[-1]
    assert last.validation_accuracy > 0.7  # chance is 0.1
    assert last.decision_step_mean == 9  # three layers with weights of three steps each
    network = trainer.network("x", PROVENANCE)
    assert network.structure.startswith("1x8x8-8c3p1-m2-8c3p1+1x")
    assert len(last.spikes_mean) == len(network.layers) - 1
    theirs = bistable.run_inputs(network, digits.test_images)
    mine = answers.run_inputs(network, digits.test_images)
    np.testing.assert_array_equal(mine.potential, theirs.potential)
    np.testing.assert_array_equal(mine.certain, theirs.certain)
    for one, other in zip(mine.values, theirs.values, strict=True):
        np.testing.assert_array_equal(one, other)
    # Validation is what the network does with the images held out
    _, held_out = hold_out(digits.train_labels, None, trainer.recipe.validation)
    images, labels = digits.train_images[held_out], digits.train_labels[held_out]
    answer = bistable.run_inputs(network, images)
    assert answer.correct(labels).mean() == pytest.approx(last.validation_accuracy)
    spikes = answer.figures(labels).layer_spikes_mean
    assert spikes == pytest.approx(last.spikes_mean)
    changed, count = trainer.rounded()
    assert (changed, count) == (0, len(held_out) * (512 + 128))


def test_bistable_networks_resume_with_the_same_bits(digits, tmp_path):
    whole = Trainer(small_bistable(epochs=2), digits)
    whole.fit()
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(KilledError):
        Trainer(small_bistable(epochs=2), digits).fit(path, _kill_at(1, 1))
    again = Trainer(small_bistable(epochs=2), digits)
    again.fit(path)
    for one, other in zip(state(whole), state(again), strict=True):
        assert torch.equal(one, other)


def test_maps_resume_with_the_same_bits(digits, tmp_path):
    whole = Trainer(small_maps(epochs=2), digits)
    whole.fit()
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(KilledError):
        Trainer(small_maps(epochs=2), digits).fit(path, _kill_at(1, 1))
    again = Trainer(small_maps(epochs=2), digits)
    again.fit(path)
    for one, other in zip(state(whole), state(again), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("rule", ["surrogate", "bstdg"])
def test_windows_grow(rule, digits, tmp_path):
    """T = 1, 2 and 4 for two epochs each; killed in any of them, it ends with the same bits."""
    settings = {"gap": 0.02, "calibration": 3}
    recipe = small_maps(rule=rule, settings=settings, growth=(1, 2))
    whole = Trainer(recipe, digits)
    seen = []
    whole.fit(watch=lambda *_: seen.append(whole.rule.steps))
    assert seen == [steps for steps in (1, 2, 4) for _ in range(2 * (whole.batches + 1))]
    assert whole.history[1].decision_step_mean == 1
    assert whole.network("x", PROVENANCE).steps == 4
    assert whole.answer(digits).steps == 4
    for epoch in (1, 2, 3):
        path = tmp_path / "checkpoint.pt"
        with pytest.raises(KilledError):
            Trainer(recipe, digits).fit(path, _kill_at(epoch, 1))
        again = Trainer(recipe, digits)
        again.fit(path)
        path.unlink()
        for one, other in zip(state(whole), state(again), strict=True):
            assert torch.equal(one, other)


def test_the_learning_rate_warms_up(digits):
    """From a hundredth of what it would be, by the same factor in each epoch."""
    rates = []
    for warm_up in (0, 2):
        trainer = Trainer(small_maps(epochs=4, warm_up=warm_up), digits)
        trainer.fit()
        rates.append([entry.rate for entry in trainer.history])
    factors = [warm / usual for usual, warm in zip(*rates, strict=True)]
    assert factors == pytest.approx([0.01, 0.1, 1, 1])


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        ("4c9", r"^Layer 0: Kernel of 4c9 must not be larger than the padded map, 8 × 8$"),
        ("4c3p1-f2-f8", r"^Layer 2: Window of f8 must not be larger than the map, 4 × 4$"),
        ("12-4c3", r"^Layer 1, 4c3, must stand before the dense layers$"),
    ],
)
def test_maps_that_do_not_chain_are_refused(digits, hidden, message):
    with pytest.raises(UserError, match=message):
        Trainer(small_maps(hidden=hidden_layers(hidden)), digits)


def test_events_validation_is_what_the_network_does(words):
    trainer = Trainer(small_events(), words)
    trainer.fit()
    _, held_out = split(words.train_labels, trainer.recipe.validation)
    assert len(held_out)
    network = trainer.network("x", PROVENANCE)
    answered = run(network, words.train_events[held_out].spikes(network.steps))
    figures = answered.figures(words.train_labels[held_out])
    assert trainer.history[-1].validation_accuracy == figures.accuracy
    assert trainer.history[-1].decision_step_mean == pytest.approx(figures.decision_step_mean)
    mine, same = trainer.answer(words), run_inputs(network, words.test_part(network.steps))
    np.testing.assert_array_equal(mine.label, same.label)
    np.testing.assert_array_equal(mine.times[0], same.times[0])


def test_events_resume_with_the_same_bits(words, tmp_path):
    whole = Trainer(small_events(epochs=3), words)
    whole.fit()
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(KilledError):
        Trainer(small_events(epochs=3), words).fit(path, _kill_at(2, 1))
    again = Trainer(small_events(epochs=3), words)
    again.fit(path)
    for one, other in zip(state(whole), state(again), strict=True):
        assert torch.equal(one, other)


@pytest.mark.smoke
def test_same_seed_same_bits(digits):
    runs = []
    for seed in (1, 1, 2):
        trainer = Trainer(small(seed=seed, augmentation=None), digits)
        trainer.fit()
        runs.append(trainer.network("x", PROVENANCE).sha256)
    assert runs[0] == runs[1] != runs[2]


def test_validation_is_what_the_network_does(digits):
    """The figure of the last epoch is the accuracy of the exported network on the same images."""
    trainer = Trainer(small(), digits)
    trainer.fit()
    _, held_out = split(digits.train_labels, trainer.recipe.validation)
    images, labels = digits.train_images[held_out], digits.train_labels[held_out]
    figures = run_images(trainer.network("x", PROVENANCE), images).figures(labels)
    assert trainer.history[-1].validation_accuracy == figures.accuracy
    assert trainer.history[-1].decision_step_mean == pytest.approx(figures.decision_step_mean)
    assert trainer.history[-1].spikes_mean[0] == pytest.approx(figures.hidden_spikes_mean)


def test_validation_images_are_not_learnt_from(digits):
    trainer = Trainer(small(), digits)
    learnt, held_out = (
        {image.tobytes() for image in inputs._images.numpy()}
        for inputs, _ in (trainer._learn, trainer._probe)
    )
    assert len(held_out) == 288
    assert not learnt & held_out
    assert not learnt & {image.tobytes() for image in digits.test_images}


def test_without_validation(digits):
    trainer = Trainer(small(validation=0.0, epochs=1), digits)
    trainer.fit()
    assert trainer.history[-1].validation_accuracy is None


def test_inputs_are_chosen_from_what_is_learnt_from(digits):
    encoder = Trainer(small(inputs=30), digits).encoder
    assert encoder.inputs == 30
    assert list(encoder.select) == sorted(set(encoder.select))
    # the left column of a digit is empty and tells nothing
    assert not {0, 8, 16, 24} & set(encoder.select)


@pytest.mark.parametrize("when", [(1, 0), (1, 5), (2, 0)], ids=str)
def test_resumes_with_the_same_bits(digits, tmp_path, when):
    whole = Trainer(small(), digits)
    whole.fit()
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(KilledError):
        Trainer(small(), digits).fit(path, _kill_at(*when))
    again = Trainer(small(), digits)
    epochs = []
    again.fit(path, lambda epoch, batch: epochs.append(epoch))
    assert epochs[0] == when[0]
    for one, other in zip(state(whole), state(again), strict=True):
        assert torch.equal(one, other)
    assert again.history == whole.history


def test_another_runs_checkpoint_is_refused(digits, tmp_path):
    path = tmp_path / "checkpoint.pt"
    Trainer(small(epochs=1), digits).fit(path)
    before = path.read_bytes()
    message = r"checkpoint.pt: checkpoint of another run \(rate .*--restart drops it"
    with pytest.raises(UserError, match=message):
        Trainer(small(epochs=1, rate=0.5), digits).fit(path)
    with pytest.raises(UserError, match=r"another run \(data None, not 'a'\); "):
        Trainer(small(epochs=1), replace(digits, reading={"sha256": "a"})).fit(path)
    content = torch.load(path, weights_only=True)
    path.write_bytes(before[:1000])
    with pytest.raises(UserError, match="not a checkpoint, or damaged; --restart drops it"):
        Trainer(small(epochs=1), digits).fit(path)
    for damaged in (
        content | {"history": [{"epoch": 1}]},
        content | {"history": []},
        content | {"epoch": 2, "history": 2 * content["history"]},
        content | {"epoch": "1"},
        content | {"rule": {}},
        content | {"rule": {name: value[:1] for name, value in content["rule"].items()}},
        content | {"optimizer": {}},
        content | {"optimizer": []},
        content | {"identity": "[1]"},
        content | {"identity": "3"},
        {key: value for key, value in content.items() if key != "rule"},
        [content],
    ):
        torch.save(damaged, path)
        with pytest.raises(UserError, match="not a checkpoint, or damaged; --restart drops it"):
            Trainer(small(epochs=1), digits).fit(path)


def test_not_finite_stops(digits):
    trainer = Trainer(small(), digits)
    with torch.no_grad():
        trainer.rule.thresholds[1][3] = float("nan")
    with pytest.raises(UserError, match=r"Epoch 1: \S+ is no longer finite; lower --rate"):
        trainer.fit()


def test_dead_layer_stops(digits):
    trainer = Trainer(small(rate=1e-9), digits)
    with torch.no_grad():
        trainer.rule.thresholds[0].fill_(1000)
    with pytest.raises(UserError, match=r"Epoch 1: hidden layer 0 is dead, .* 288 examples; lower"):
        trainer.fit()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pool": 3}, "Pool must be 1, 2 or 4, not 3"),
        ({"inputs": 65}, "Inputs must be in 1 … 64, not 65"),
        ({"silent_below": 999}, "Silent_below must be in 0 … 256, not 999"),
        ({"batch": 5000}, "Batch must be at most 1154 here, not 5000"),
    ],
)
def test_refusals(digits, changes, message):
    with pytest.raises(UserError, match=message):
        Trainer(small(**changes), digits)


def test_rate_falls_to_nothing(digits):
    trainer = Trainer(small(epochs=4, rate=0.01), digits)
    trainer.fit()
    rates = [entry.rate for entry in trainer.history]
    np.testing.assert_allclose(rates, [0.01, 0.00853553, 0.005, 0.00146447], rtol=1e-5)


def on_maps(**changes):
    return small(**{"hidden": hidden_layers("3c3,f2"), "steps": 4, "epochs": 1} | changes)


def test_starts_from_a_network(digits):
    """Signs and thresholds are those of the network, in another window; then it learns on."""
    first = Trainer(on_maps(), digits)
    first.fit()
    start = first.network("first", PROVENANCE)
    recipe = on_maps(steps=1, seed=5, rate=1e-4, settings={"integer": True, "gap": 0.0})
    trainer = Trainer(recipe, digits, start=start)
    begun = trainer.network("begun", PROVENANCE)
    for before, after in zip(start.layers, begun.layers, strict=True):
        np.testing.assert_array_equal(before.weight, after.weight)
        np.testing.assert_array_equal(before.threshold, after.threshold)
    assert (start.steps, begun.steps) == (4, 1)
    trainer.fit()
    assert len(trainer.history) == 1


def test_refuses_to_start_from_another_network(digits):
    start = Trainer(on_maps(), digits).network("one", PROVENANCE)
    other = on_maps(hidden=hidden_layers("4c3,f2"))
    message = r"^--start: network 'one' is 1x8x8-3c3-f2-10, and 1x8x8-4c3-f2-10 is to be trained; "
    with pytest.raises(UserError, match=message):
        Trainer(other, digits, start=start)
    anew = r"^--start: rule 'bstdg' starts anew only; take --rule surrogate$"
    with pytest.raises(UserError, match=anew):
        Trainer(preset(on_maps(), rule="bstdg"), digits, start=start)
