// Pages work without this. It makes live parts live, and second clicks harmless.
"use strict";

// A form is sent once: its key makes the second one harmless, this keeps it from being sent.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "yes";
  for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
});
// A page that the back button shows again has forms that may be sent again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-disabled");
  }
});

// <div data-live="/path">: each event `part` brings the element's new content, rendered by the
// server and escaped there; `end` brings the address to go on to, or nothing. A lost connection is
// made again by the browser; whatever was missed, the next event is the whole truth.
for (const part of document.querySelectorAll("[data-live]")) {
  const source = new EventSource(part.dataset.live);
  const lost = part.parentElement.querySelector("[data-lost]");
  source.addEventListener("open", () => { if (lost) lost.hidden = true; });
  source.addEventListener("error", () => { if (lost) lost.hidden = false; });
  source.addEventListener("part", (event) => { part.innerHTML = event.data; });
  source.addEventListener("end", (event) => {
    source.close();
    if (event.data) location.assign(event.data);
  });
}

// <input data-check="/path/">: asks the address of the value, and says what comes back.
for (const input of document.querySelectorAll("[data-check]")) {
  const said = document.querySelector(`[data-checked="${input.name}"]`);
  let timer, asked = 0;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    const number = ++asked;
    if (!input.value.trim()) { said.textContent = ""; return; }
    timer = setTimeout(async () => {
      try {
        const answer = await fetch(input.dataset.check + encodeURIComponent(input.value.trim()));
        const text = answer.ok ? await answer.text() : "";
        if (number === asked) said.textContent = text;
      } catch { said.textContent = ""; }
    }, 250);
  });
}

// <button data-copy="id">: copies the text of another element, and says so.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    const label = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1500);
  });
}
