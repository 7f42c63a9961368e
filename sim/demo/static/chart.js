// All steps at once: rasters of the spikes, lines of the outputs' margins, and the decision.

import { colours, minus, prepare } from "./paint.js";

const LEFT = 44, RIGHT = 8, ROW = 74, LINES = 130, GAP = 22, AXIS = 34;

// `late` says what spikes after the decision are.
export function makeChart(canvas, names, sizes, late, onTime) {
  let result, steps;

  const width = () => canvas.parentElement.clientWidth - 2 * parseFloat(getComputedStyle(canvas.parentElement).paddingLeft);
  const across = () => width() - LEFT - RIGHT;
  canvas.addEventListener("pointerdown", (event) => {
    const x = event.clientX - canvas.getBoundingClientRect().left - LEFT;
    onTime(Math.min(steps, Math.max(1, Math.ceil((x / across()) * steps))));
  });

  function draw(time) {
    const palette = colours();
    const rows = result.layers.length;
    const height = rows * (ROW + GAP) + LINES + GAP + AXIS;
    const context = prepare(canvas, width(), height);
    const x = (at) => LEFT + (at / steps) * across();
    const end = x(result.rtl.step + 1);
    context.font = "12px system-ui, 'Liberation Sans', sans-serif";

    // A plot's frame: columns of the steps, and the window after the decision.
    const frame = (top, tall) => {
      context.fillStyle = palette.wait;
      context.fillRect(end, top, x(steps) - end, tall);
      context.fillStyle = palette.line;
      if (across() / steps > 6) for (let step = 1; step < steps; step += 1) context.fillRect(Math.round(x(step)), top, 1, tall);
      context.strokeStyle = palette.line;
      context.lineWidth = 1;
      context.strokeRect(LEFT + 0.5, top + 0.5, across(), tall);
    };

    result.layers.forEach((layer, row) => {
      const top = GAP + row * (ROW + GAP);
      const count = layer.step.filter((step) => step <= result.rtl.step).length;
      const more = layer.step.length - count;
      frame(top, ROW);
      context.fillStyle = palette.soft;
      context.textAlign = "left";
      context.fillText(`${names[row]}: ${count} spikes, ${more} more ${late}`, LEFT, top - 7);
      context.textAlign = "right";
      context.fillText("0", LEFT - 6, top + 10);
      context.fillText(String(sizes[row] - 1), LEFT - 6, top + ROW);
      const size = sizes[row] > 200 ? 2 : 3;
      layer.unit.forEach((unit, k) => {
        context.fillStyle = layer.step[k] > result.rtl.step ? palette.never : palette.ink;
        const y = top + 2 + (unit / Math.max(1, sizes[row] - 1)) * (ROW - 4);
        context.fillRect(x(layer.step[k] + 0.08 + 0.84 * layer.share[k]) - size / 2, y - size / 2, size, size);
      });
    });

    const top = GAP + rows * (ROW + GAP);
    frame(top, LINES);
    const margins = [result.thresholds.map((value) => -value), ...result.margins]; // at first V is 0
    const low = margins.reduce((least, row) => Math.min(least, ...row), -1);
    const high = margins.reduce((most, row) => Math.max(most, ...row), 1);
    const y = (value) => top + LINES - 3 - ((value - low) / (high - low)) * (LINES - 6);
    context.fillStyle = palette.soft;
    context.textAlign = "left";
    context.fillText("outputs: V − θ at the end of the step", LEFT, top - 7);
    context.textAlign = "right";
    for (const value of new Set([high, 0, low])) context.fillText(minus(value), LEFT - 6, y(value) + 4);
    context.strokeStyle = palette.soft;
    context.beginPath();
    context.moveTo(LEFT, y(0));
    context.lineTo(x(steps), y(0));
    context.stroke();
    const order = [...result.margins[0].keys()].sort((a, b) => (a === result.rtl.label) - (b === result.rtl.label));
    for (const unit of order) {
      const winner = unit === result.rtl.label;
      context.lineWidth = winner ? 2.5 : 1.25;
      for (const [from, to, colour] of [
        [0, result.rtl.step + 1, winner ? palette.winner : palette.soft],
        [result.rtl.step + 1, steps, palette.never],
      ]) {
        context.strokeStyle = colour;
        context.beginPath();
        for (let passed = from; passed <= to; passed += 1) context.lineTo(x(passed), y(margins[passed][unit]));
        context.stroke();
      }
    }

    context.fillStyle = palette.now;
    context.fillRect(x(time) - 1, GAP - 4, 2, height - AXIS - GAP + 8);
    context.setLineDash([5, 4]);
    context.lineWidth = 2;
    context.strokeStyle = palette.winner;
    context.beginPath();
    context.moveTo(end, GAP - 8);
    context.lineTo(end, height - AXIS + 4);
    context.stroke();
    context.setLineDash([]);

    // Steps, and the cycles in which their potentials were complete.
    const wide = across() / steps;
    const every = Math.ceil(26 / wide);
    context.textAlign = "center";
    for (let step = 0; step < steps; step += every) {
      context.fillStyle = step === result.rtl.step ? palette.winner : step < result.rtl.step ? palette.ink : palette.soft;
      context.fillText(String(step + 1), x(step + 0.5), height - AXIS + 15);
    }
    context.fillStyle = palette.soft;
    context.textAlign = "right";
    context.fillText("step", LEFT - 6, height - AXIS + 15);
    context.fillText("cycle", LEFT - 6, height - AXIS + 30);
    context.textAlign = "center";
    let free = 0;
    result.step_cycles.forEach((cycle, step) => {
      const at = x(step + 0.5);
      if (cycle === null || step > result.rtl.step || at < free) return;
      context.fillText(minus(cycle), at, height - AXIS + 30);
      free = at + 34;
    });
    canvas.setAttribute("aria-label", `Spikes and margins over ${steps} steps; decided in step ${result.rtl.step + 1}`);
    canvas.dataset.time = time;
  }

  return {
    draw,
    show(shown) {
      result = shown;
      steps = shown.margins.length;
    },
  };
}
