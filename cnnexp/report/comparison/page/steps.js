// Long computations in steps: a generator yields where a frame may come between, so that no brush waits for all of it.

const BUDGET = 12; // ms of a frame

/** The result of a generator, all at once. */
export function finished(steps) {
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}

/** Call a function once the frame that is drawn now is on the screen. */
export function afterFrame(call) {
  requestAnimationFrame(() => setTimeout(call));
}

/** Go on with a generator until it ends or this frame's time is used up: its last {value, done}. */
export function aWhile(steps) {
  const end = performance.now() + BUDGET;
  let step = steps.next();
  while (!step.done && performance.now() < end) step = steps.next();
  return step;
}
