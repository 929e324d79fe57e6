// Small helpers for the document: elements, choices, numbers as text.

/** Make an element: attributes by name, functions as listeners (`onclick`), true and false as presence. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A labelled <select>; `options` are [value, text], `chosen(value)` is called when another one is chosen. */
export function choice(label, options, value, chosen) {
  const select = element("select", { onchange: (event) => chosen(event.target.value) });
  for (const [key, text] of options) {
    select.append(element("option", { value: key, selected: String(key) === String(value) }, text));
  }
  return element("label", { class: "choice" }, element("span", {}, label), select);
}

export function checkbox(label, checked, changed) {
  const box = element("input", { type: "checkbox", checked, onchange: (event) => changed(event.target.checked) });
  return element("label", { class: "check" }, box, element("span", {}, label));
}

export function button(text, clicked, attributes = {}) {
  return element("button", { type: "button", onclick: clicked, ...attributes }, text);
}

/** A number in few digits, such as 0.9412, 1.2e-05, 1,250. */
export function shortNumber(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e7)) return value.toExponential(2);
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(digits)));
}

export function plural(count, one, several = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : several}`;
}

/** Offer a text or a Blob as a file. */
export function download(name, content, type = "text/plain") {
  const blob = content instanceof Blob ? content : new Blob([content], { type });
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Whether files can be offered: MLflow shows the page in a frame that may not. */
export function mayDownload() {
  return window.origin !== "null" || window.parent === window;
}

/** Let an element not shrink while some runs are left out: all that stands below it would move, and be painted again. */
export function keepHeight(node, isWhole) {
  node.style.minHeight = isWhole ? "" : node.style.minHeight || `${node.offsetHeight}px`;
}

const WHILE = 3000; // ms for which a section is followed

/** Scroll to a section, and follow it while what comes into view above it is drawn and moves it. */
export function comeTo(section) {
  const end = performance.now() + WHILE;
  let still = 0; // frames
  const stop = () => (still = Infinity);
  for (const kind of ["wheel", "touchmove", "keydown"]) addEventListener(kind, stop, { once: true, passive: true });
  const follow = () => {
    if (still > 2 || performance.now() > end) return;
    const before = section.getBoundingClientRect().top;
    section.scrollIntoView();
    const isStill = Math.abs(section.getBoundingClientRect().top - before) < 1;
    still = isStill && document.documentElement.hasAttribute("data-settled") ? still + 1 : 0;
    requestAnimationFrame(follow);
  };
  requestAnimationFrame(follow);
}
