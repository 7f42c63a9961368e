// The page: asks the server for answers and shows them.

import { makeChart } from "./chart.js";
import { makePad } from "./draw.js";
import { makeGrid } from "./grid.js";
import { minus } from "./paint.js";
import { makePlayer } from "./player.js";
import { makeRace } from "./race.js";

const at = (id) => document.getElementById(id);
let network, views, player, pad, result;
let newest = 0;

async function call(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer; is the command still running?");
  }
  const body = await response.json();
  if (!response.ok) throw new Error(body.error);
  return body;
}

// Asks for an answer; only the newest question counts.
async function ask(path, options, title) {
  const mine = (newest += 1);
  at("answer").setAttribute("aria-busy", "true");
  try {
    const answer = await call(path, options);
    if (mine === newest) show(answer, title);
  } catch (error) {
    if (mine === newest) fail(`${title ? `${title}: ` : ""}${error.message}`);
  } finally {
    if (mine === newest) at("answer").removeAttribute("aria-busy");
  }
}

function fail(message) {
  at("error").textContent = message;
  at("error").hidden = false;
}

// The part of its step in which each spike comes: all layers' in the order of their cycles. Those
// that are never computed have no cycle and come last, layer by layer; those that are not watched
// come first.
function addShares(layers, decision) {
  const spikes = layers.flatMap((layer, index) =>
    layer.step.map((step, k) => ({ layer, k, step, cycle: layer.cycle[k] ?? (step > decision ? Infinity : -Infinity), index })),
  );
  // Infinity less Infinity is no number, and counts as equal.
  spikes.sort((a, b) => a.step - b.step || a.cycle - b.cycle || a.index - b.index);
  const counts = new Map(), seen = new Map();
  for (const { step } of spikes) counts.set(step, (counts.get(step) ?? 0) + 1);
  for (const layer of layers) layer.share = [];
  for (const { layer, k, step } of spikes) {
    const rank = seen.get(step) ?? 0;
    seen.set(step, rank + 1);
    layer.share[k] = rank / counts.get(step);
  }
}

function show(answer, title) {
  result = { ...answer, thresholds: network.thresholds };
  addShares(result.layers, result.rtl.step);
  at("error").hidden = true;
  showAnswer(title);
  for (const id of ["player", "stage", "history"]) at(id).hidden = false;
  const [input, ...hidden] = result.layers;
  views.input.show(input, result.rtl.step, result.levels);
  views.hidden.forEach((grid, index) => grid.show(hidden[index], result.rtl.step));
  views.race.show(result);
  views.chart.show(result);
  player.start(network.steps, result.rtl.step);
}

function showAnswer(title) {
  const { rtl, golden, compared, truth } = result;
  const name = network.labels[rtl.label];
  const same = Object.values(compared).every(Boolean);
  const fits = truth === undefined ? "" : truth === rtl.label ? ", and that is right" : `, and that is wrong: it is “${network.labels[truth]}”`;
  at("summary").textContent =
    `${title}: “${name}” in step ${rtl.step + 1} of ${network.steps}, after ${rtl.cycles} cycles${fits}.` +
    (same ? "" : " RTL and golden model differ.");
  at("class").textContent = name;
  at("class").classList.toggle("word", name.length > 2);
  const rows = [
    ["class", name, network.labels[golden.label], compared.class],
    ["decision", `step ${rtl.step + 1} of ${network.steps}`, `step ${golden.step + 1} of ${network.steps}`, compared.step],
    ["margin V − θ", minus(rtl.margin), minus(golden.margin), compared.margin],
    ["latency", `${rtl.cycles} cycles`, "has no clock", true],
  ];
  at("figures").replaceChildren(
    ...rows.map(([head, ours, theirs, equal]) => {
      const row = document.createElement("tr");
      row.classList.toggle("differs", !equal);
      const cells = [head, ours, theirs].map((text, index) => {
        const cell = document.createElement(index ? "td" : "th");
        if (!index) cell.scope = "row";
        cell.textContent = text;
        return cell;
      });
      row.append(...cells);
      return row;
    }),
  );
  const wrong = Object.keys(compared).filter((key) => !compared[key]);
  at("equal").textContent = same
    ? `✓ Equal, bit for bit: ${Object.keys(compared).join(", ")}, up to the decision.`
    : `✗ Different: ${wrong.join(", ")}.`;
  at("equal").classList.toggle("differs", !same);
  at("verdict").hidden = at("equal").hidden = false;
  at("chart-hint").textContent =
    `Cycles count from ${network.cycles_from}` +
    (rtl.first_cycle < 0 ? `; the first came in cycle ${minus(rtl.first_cycle)}. ` : ". ") +
    (network.whole
      ? "The hardware computes one layer after another; within a step spikes stand in its order. "
      : "Within a step spikes stand in the order in which the hardware takes them. ") +
    "Dashed: the decision. Press a step to go there.";
}

function onTime(time) {
  const { rtl, step_cycles: cycles } = result;
  views.input.draw(time);
  for (const grid of views.hidden) grid.draw(time);
  views.race.draw(time);
  views.chart.draw(time);
  const step = Math.ceil(time);
  let text = "Before the first step";
  if (step > rtl.step + 1) text = `Step ${step} of ${network.steps}: ${network.whole ? "after the decision" : "never computed"}`;
  else if (step > 0) {
    const cycle = cycles[step - 1];
    text = `Step ${step} of ${network.steps}`;
    if (time > rtl.step) text += time >= rtl.step + 1 ? `: decided, answer in cycle ${rtl.cycles}` : "";
    else if (cycle !== null) text += `: complete in cycle ${minus(cycle)}`;
    else text += ": no spikes, skipped";
  }
  at("clock").textContent = text;
  at("time").setAttribute("aria-valuetext", text);
}

function askFile(file) {
  if (file.size > network.limit) {
    fail(`${file.name}: larger than ${network.limit >> 20} MiB`);
    return;
  }
  pad.clear();
  const invert = at("invert").checked ? 1 : 0;
  ask(`/api/files?invert=${invert}`, { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" } }, file.name);
}

function example(index) {
  at("index").value = index;
  pad.clear();
  ask(`/api/examples/${index}`, {}, `Test example ${index} of ${network.data}`);
}

function setUp() {
  document.title = `${network.name} – firstspike demo`;
  at("network").textContent =
    `${network.name}: ${network.structure}, ${network.steps} steps, 1-bit weights; engine “${network.engine}”, its Verilog compiled by Verilator`;
  at("drawing").hidden = !network.picture;
  at("files").hidden = !network.array;
  at("invert-row").hidden = !network.pictures;
  at("file").accept = network.pictures ? ".png,.jpg,.jpeg,.npy,.npz" : ".npy,.npz";
  at("drop-text").textContent = network.pictures
    ? "Drop a PNG, JPEG, .npy or .npz here, or choose one"
    : "Drop a .npy or .npz here, or choose one";
  at("examples").hidden = !network.examples;
  at("index").max = network.examples - 1;
  const ways = [
    `The network takes ${network.takes} and tells apart: ${network.labels.join(", ")}.`,
    network.picture ? "Pictures are made grey and scaled to that." : "These cannot be drawn.",
    network.pictures && !network.picture ? "Pictures are scaled to that." : "",
    network.missing ? `There are no test examples: ${network.missing}` : "",
  ];
  at("possible").textContent = ways.join(" ");
  at("input-hint").textContent = network.pictures
    ? "A pixel fires once: the brighter, the earlier."
    : network.kind === "events"
      ? "Channels, row by row; one may fire more than once."
      : "An input fires once: the larger its value, the earlier.";
  at("time").max = network.steps;

  const named = (index) => network.layers[index] ?? (network.hidden.length > 1 ? `layer ${index + 1}` : "");
  const hidden = network.hidden.map((grid, index) => {
    if (named(index)) {
      const title = document.createElement("h3");
      title.textContent = named(index);
      at("hidden").append(title);
    }
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    at("hidden").append(canvas);
    return makeGrid(canvas, grid, `Hidden units of layer ${index + 1}`);
  });
  at("hidden-panel").hidden = !hidden.length;
  const names = ["inputs", ...network.hidden.map((_, index) => (named(index) ? `hidden ${named(index)}` : "hidden units"))];
  const sizes = [network.inputs, ...network.hidden].map((grid) => grid.places.length);
  // An engine for maps works layer by layer, so that it may have computed what comes after the decision.
  const late = network.whole ? "after the decision" : "never computed";
  at("late").textContent = `after the decision${network.whole ? "" : ": the hardware never computes it"}`;
  player = makePlayer({ button: at("play"), slider: at("time") }, onTime);
  views = {
    input: makeGrid(at("input"), network.inputs, "Inputs"),
    hidden,
    race: makeRace(at("race"), network.labels),
    chart: makeChart(at("chart"), names, sizes, late, (time) => player.seek(time)),
  };
  pad = makePad(at("pad"), (strokes) => {
    ask("/api/drawings", { method: "POST", body: JSON.stringify(strokes), headers: { "Content-Type": "application/json" } }, "Drawing");
  });
  at("clear").addEventListener("click", () => pad.clear());
  at("examples").addEventListener("submit", (event) => {
    event.preventDefault();
    example(at("index").value);
  });
  at("random").addEventListener("click", () => example(Math.floor(Math.random() * network.examples)));
  at("file").addEventListener("change", () => {
    if (at("file").files.length) askFile(at("file").files[0]);
    at("file").value = ""; // so that the same file can be chosen again
  });
  if (network.array) {
    // Anywhere on the page: a file that misses its place would replace the page.
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      at("drop").classList.add("over");
    });
    document.addEventListener("dragleave", () => at("drop").classList.remove("over"));
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      at("drop").classList.remove("over");
      if (event.dataTransfer.files.length) askFile(event.dataTransfer.files[0]);
    });
  }
  const redraw = () => result && player.redraw();
  window.addEventListener("resize", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  if (network.examples) example(0);
}

try {
  network = await call("/api/network");
  setUp();
} catch (error) {
  fail(error.message);
}
