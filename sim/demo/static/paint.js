// What the canvases share: their resolution and the page's colours.

const NAMES = ["ink", "soft", "line", "wait", "never", "now", "winner"];

export function colours() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`)]));
}

// A number as text, with the sign for minus.
export const minus = (value) => String(value).replace("-", "−");

// A context whose unit is a CSS pixel, on an empty canvas of this size.
export function prepare(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

// What a spike is at `time`: how many steps have passed, with the part of the present one.
export function stateOf(step, share, time, decision) {
  if (time <= step + share) return "waiting";
  if (step > decision) return "never";
  return time <= step + 1 ? "now" : "fired";
}
