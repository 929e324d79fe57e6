// The questions that a reader comes with, and where the page answers them.

import { button, comeTo, element } from "#dom";

const QUESTIONS = [
  ["Which setting is best?", "table"],
  ["Does a setting matter?", "differences"],
  ["Is the difference real?", "pairs"],
  ["Which runs failed, and why?", "findings"],
  ["What do two models get wrong?", "pairs"],
  ["Which images are hard?", "pictures"],
  ["How do I repeat the best?", "share"],
];

/** A button that leads back to the questions from wherever a reader is. */
export function backToQuestions() {
  const back = () => comeTo(document.getElementById("ways").closest("section"));
  const made = button("↑ Questions", back, { class: "back away" });
  let last = scrollY;
  const hide = () => {
    made.classList.toggle("away", scrollY > last); // on a telephone it lies over what is read: only on the way up
    last = scrollY;
  };
  addEventListener("scroll", hide, { passive: true });
  return made;
}

/** Buttons, not links: the address of the page keeps what is chosen. */
export function waysView() {
  const sectionOf = (id) => document.getElementById(id).closest("section");
  const ways = QUESTIONS.map(([question, id]) => [button(question, () => comeTo(sectionOf(id))), id]);
  const node = element("nav", { class: "bar ways", "aria-label": "questions" }, ...ways.map(([way]) => way));
  const update = () => {
    for (const [way, id] of ways) way.hidden = sectionOf(id).hidden;
  };
  return { node, update };
}
