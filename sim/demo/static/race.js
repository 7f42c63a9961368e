// The outputs as runners on tracks: V − θ from left to right, the threshold is the finish.

import { minus } from "./paint.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 400, LANE = 24, TOP = 18, VALUE = 34;
const MOST = 24; // lanes; of more classes those that come furthest

function element(name, attributes, parent) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
}

const shorten = (text) => (text.length > 12 ? `${text.slice(0, 11)}…` : text);

export function makeRace(container, labels) {
  let lanes = [];
  let margins, thresholds, last, answer, scale;

  function show(result) {
    margins = result.margins;
    thresholds = result.thresholds;
    last = result.layers.at(-1);
    answer = result.rtl;
    const final = margins[answer.step];
    const order = [...labels.keys()].sort((a, b) => final[b] - final[a]).slice(0, MOST).sort((a, b) => a - b);
    if (!order.includes(answer.label)) order[0] = answer.label;
    const values = order.flatMap((unit) => [-thresholds[unit], ...margins.map((row) => row[unit])]);
    const low = Math.min(-1, ...values), high = Math.max(1, ...values);
    const left = 12 + 7 * Math.max(...order.map((unit) => shorten(labels[unit]).length));
    const right = WIDTH - VALUE - 8;
    scale = (value) => left + ((value - low) / (high - low)) * (right - left);
    const height = TOP + order.length * LANE + 4;
    container.replaceChildren();
    const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img" }, container);
    lanes = order.map((unit, index) => {
      const y = TOP + index * LANE + LANE / 2;
      const group = element("g", { "data-unit": unit }, svg);
      element("text", { x: 0, y: y + 4 }, group).textContent = shorten(labels[unit]);
      element("title", {}, group).textContent = labels[unit];
      element("line", { class: "track", x1: left, x2: right, y1: y, y2: y }, group);
      const trail = element("line", { class: "trail", x1: left, x2: left, y1: y, y2: y }, group);
      const runner = element("circle", { class: "runner", r: 6, cx: left, cy: y }, group);
      const value = element("text", { class: "value", x: WIDTH, y: y + 4 }, group);
      return { unit, group, trail, runner, value };
    });
    element("line", { class: "finish", x1: scale(0), x2: scale(0), y1: TOP, y2: height }, svg);
    element("text", { class: "finish-label", x: scale(0), y: 11 }, svg).textContent = "θ";
  }

  // At the end of a step these are the RTL's margins; until then each spike adds its weights.
  function draw(time) {
    const svg = container.firstChild;
    const passed = Math.min(Math.floor(time), margins.length);
    const values = passed ? [...margins[passed - 1]] : thresholds.map((value) => -value);
    last.step.forEach((step, k) => {
      if (step !== passed || time <= step + last.share[k]) return;
      for (let unit = 0; unit < values.length; unit += 1) values[unit] += last.signs[k][unit] === "+" ? 1 : -1;
    });
    const decided = time >= answer.step + 1;
    for (const { unit, group, trail, runner, value } of lanes) {
      runner.setAttribute("cx", scale(values[unit]));
      trail.setAttribute("x2", scale(values[unit]));
      value.textContent = minus(values[unit]);
      const winner = decided && unit === answer.label;
      group.setAttribute("class", winner ? "winner" : time > answer.step + 1 ? "never" : "");
    }
    svg.setAttribute("aria-label", `V − θ of each output: ${lanes.map((lane) => `${labels[lane.unit]} ${lane.value.textContent}`).join(", ")}`);
  }

  return { draw, show };
}
