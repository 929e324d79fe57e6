// Whether the window is as narrow as a telephone; page.css has the same width.

const narrow = globalThis.matchMedia?.("(max-width:600px)"); // scripts that are tested without a browser have none

export function isNarrow() {
  return narrow?.matches ?? false;
}

/** Call `changed` when a window becomes narrow or wide. */
export function onWidth(changed) {
  narrow?.addEventListener("change", changed);
}
