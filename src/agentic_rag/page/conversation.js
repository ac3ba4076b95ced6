// What a browser has to do itself: open a passage, count down, send a rating on, keep the turn in
// view. All text is set as text; the passage's HTML is never anybody's but ours.
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const dialog = document.createElement("dialog");
dialog.id = "passage";
dialog.setAttribute("aria-labelledby", "passage-title");
dialog.innerHTML = `
  <header><h2 id="passage-title"></h2><button type="button" aria-label="Close">✕</button></header>
  <p class="passage-note" role="status"></p>
  <div class="passage-text" tabindex="0"><span></span><mark></mark><span></span></div>`;
document.body.append(dialog);
const [title, close, note, text] = dialog.querySelectorAll("h2, button, .passage-note, .passage-text");
const [before, quote, after] = text.children;
close.addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

let opened = 0;
async function open_passage(button) {
  const place = button.closest(".earlier") || button.closest(".turn").querySelector(".below");
  const cited = place.querySelector(`.quote[data-number="${button.dataset.cite}"]`);
  if (!cited) return;
  const mine = ++opened;
  title.textContent = cited.dataset.place;
  [before.textContent, quote.textContent, after.textContent] = ["", cited.textContent, ""];
  note.textContent = "Opening the whole passage…";
  dialog.showModal();
  const { doc, section } = cited.dataset;
  let told = { trouble: "The whole passage cannot be shown at the moment." };
  try {
    told = await server.passage({ doc_id: doc, section, quote: cited.textContent });
  } catch { /* which is what it says already */ }
  if (mine !== opened) return;
  note.textContent = told.trouble || "";
  before.textContent = told.before || "";
  after.textContent = told.after || "";
  quote.scrollIntoView({ block: "center" });
}

function rate(inside, rating, comment = "") {
  trigger("rate", { turn: Number(inside.closest(".turn").dataset.turn), rating, comment });
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.cite) open_passage(button);
  if (button.dataset.rate) rate(button, button.dataset.rate);
});
element.addEventListener("submit", (event) => {
  event.preventDefault();
  const field = event.target.elements.comment;
  if (field.value.trim()) rate(field, "down", field.value.trim());
  field.value = "";
});

setInterval(() => {
  for (const eta of element.querySelectorAll(".eta")) {
    const left = Math.max(0, Number(eta.dataset.left) - 1);
    eta.dataset.left = left;
    eta.textContent = left ? `${left} s` : "a moment";
  }
}, 1000);

let turns = 0;
watch("value", () => {
  const all = element.querySelectorAll(".turn");
  if (all.length > turns) {
    all[all.length - 1].scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
  }
  turns = all.length;
});
