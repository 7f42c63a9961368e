// Time: a slider over the steps, and playing. The time is how many steps have passed.

// Milliseconds: of a step; to the decision at least; of the whole window at most.
const STEP = 900, SHORTEST = 2500, LONGEST = 9000;

export function makePlayer({ button, slider }, onTime) {
  let steps = 1, decision = 0, time = 0;
  let frame = 0, last = 0;
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  function set(value) {
    time = Math.min(steps, Math.max(0, value));
    slider.value = Math.ceil(time);
    onTime(time);
  }

  function pause() {
    cancelAnimationFrame(frame);
    frame = 0;
    button.textContent = "Play";
  }

  function play() {
    if (time >= steps) set(0);
    last = performance.now();
    button.textContent = "Pause";
    frame = requestAnimationFrame(tick);
  }

  function tick(now) {
    const pace = Math.max(Math.min(STEP, LONGEST / steps), SHORTEST / (decision + 1));
    // It stops at the decision, as the hardware does; playing again goes on to what it never computes.
    const end = time < decision + 1 ? decision + 1 : steps;
    const ahead = Math.min(end, time + (now - last) / pace);
    if (!still.matches) {
      last = now;
      set(ahead);
    } else if (Math.floor(ahead) > Math.floor(time)) {
      last = now;
      set(Math.floor(ahead));
    }
    if (time >= end) pause();
    else frame = requestAnimationFrame(tick);
  }

  button.addEventListener("click", () => (frame ? pause() : play()));
  slider.addEventListener("input", () => {
    pause();
    set(Number(slider.value));
  });

  return {
    start(count, decisionStep) {
      pause();
      steps = count;
      decision = decisionStep;
      slider.max = steps;
      set(0);
      play();
    },
    seek(value) {
      pause();
      set(value);
    },
    redraw: () => set(time),
  };
}
