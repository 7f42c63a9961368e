// A pad to draw on: strokes as lists of points, in 0 … 1000 of the pad's width and height.

export function makePad(canvas, onStroke) {
  const context = canvas.getContext("2d");
  let strokes = [];
  let current = null;

  function paint() {
    const style = getComputedStyle(canvas);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.strokeStyle = context.fillStyle = style.getPropertyValue("--ink");
    context.lineWidth = canvas.width * 0.075;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of strokes) {
      context.beginPath();
      for (const [x, y] of stroke) context.lineTo((x * canvas.width) / 1000, (y * canvas.height) / 1000);
      if (stroke.length === 1) context.lineTo((stroke[0][0] * canvas.width) / 1000 + 0.1, (stroke[0][1] * canvas.height) / 1000);
      context.stroke();
    }
  }

  function pointOf(event) {
    const box = canvas.getBoundingClientRect();
    const inside = (value) => Math.min(1000, Math.max(0, Math.round(1000 * value)));
    return [inside((event.clientX - box.left) / box.width), inside((event.clientY - box.top) / box.height)];
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    current = [pointOf(event)];
    strokes.push(current);
    paint();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!current) return;
    // The points between two frames, too, where the browser has them.
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) current.push(pointOf(each));
    paint();
  });
  const end = () => {
    if (!current) return;
    current = null;
    onStroke(strokes);
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);

  return {
    clear() {
      strokes = [];
      current = null;
      paint();
    },
  };
}
