// Units as a grid of cells that light up when they fire.

import { colours, prepare, stateOf } from "./paint.js";

// `places` of the units in `rows` × `columns`; `levels` 0 … 1 shade the cells, such as with an image.
export function makeGrid(canvas, { rows, columns, places }, name) {
  let spikes = { unit: [], step: [], share: [] };
  let decision = 0;
  let levels = null;

  function draw(time) {
    const room = canvas.parentElement.clientWidth;
    const cell = Math.max(1, Math.min(24, Math.floor(Math.min(room / columns, 400 / rows))));
    const gap = cell > 4 ? 1 : 0;
    const context = prepare(canvas, cell * columns, cell * rows);
    const palette = colours();
    const fill = (place, colour) => {
      context.fillStyle = colour;
      context.fillRect((place % columns) * cell, Math.floor(place / columns) * cell, cell - gap, cell - gap);
    };
    if (places.length === rows * columns && !gap) {
      context.fillStyle = palette.wait; // at once: maps have many units
      context.fillRect(0, 0, cell * columns, cell * rows);
    } else for (const place of places) fill(place, palette.wait);
    if (levels) {
      places.forEach((place, unit) => {
        context.globalAlpha = 0.3 * levels[unit];
        fill(place, palette.ink);
      });
      context.globalAlpha = 1;
    }
    const states = spikes.step.map((step, k) => stateOf(step, spikes.share[k], time, decision));
    const count = (state) => states.filter((each) => each === state).length;
    const light = (state, colour) => states.forEach((each, k) => each === state && fill(places[spikes.unit[k]], colour));
    // An input that fires more than once shows the latest spike that is computed.
    light("never", palette.never);
    light("fired", palette.ink);
    light("now", palette.now);
    const now = count("now"), fired = now + count("fired");
    canvas.setAttribute("aria-label", `${name}: ${fired} spikes so far, ${now} of them in this step`);
    canvas.dataset.fired = fired;
    canvas.dataset.never = count("never");
  }

  return {
    draw,
    show(layer, decisionStep, shades = null) {
      spikes = layer;
      decision = decisionStep;
      levels = shades;
    },
  };
}
