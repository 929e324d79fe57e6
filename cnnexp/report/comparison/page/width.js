// Whether the window is as narrow as a telephone, or too narrow for a table of many columns; page.css has the same widths.

// scripts that are tested without a browser have no matchMedia
const narrow = globalThis.matchMedia?.("(max-width:600px)");
const folded = globalThis.matchMedia?.("(max-width:1100px)");

export function isNarrow() {
  return narrow?.matches ?? false;
}

/** Whether a table has its settings in one column, which stays while the others are scrolled. */
export function isFolded() {
  return folded?.matches ?? false;
}

/** Call `changed` when a window becomes narrow or wide. */
export function onWidth(changed) {
  narrow?.addEventListener("change", changed);
  folded?.addEventListener("change", changed);
}
