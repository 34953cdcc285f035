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
    if (form.dataset.passkey) form.elements.credential.value = "";
  }
});

// On a phone links stand in one line: those of this page are brought into sight.
for (const link of document.querySelectorAll(".links [aria-current], .tabs [aria-current]")) {
  link.scrollIntoView({ block: "nearest", inline: "center" });
}

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
    // A form on its way leads on by itself, and would be cut off.
    if (event.data && !document.querySelector("form[data-sent]")) location.assign(event.data);
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

// <form data-passkey="get" (or "create") data-options="/path">: asks the path what the device is to
// sign, has the browser ask its person, and sends the form with what was signed.
for (const form of document.querySelectorAll("form[data-passkey]")) {
  const known = window.PublicKeyCredential;
  if (!known || !known.parseCreationOptionsFromJSON || !known.parseRequestOptionsFromJSON) continue;
  const isNew = form.dataset.passkey === "create";
  const said = form.querySelector("[data-passkey-said]");
  const lacking = form.parentElement.querySelector("[data-passkey-lacking]");
  let busy = false;
  form.hidden = false;
  if (lacking) lacking.hidden = true;
  form.addEventListener("submit", async (event) => {
    if (form.elements.credential.value) return;
    event.preventDefault();
    event.stopPropagation();
    if (busy) return;
    busy = true;
    said.textContent = "";
    try {
      const body = new URLSearchParams(new FormData(form));
      const told = await (await fetch(form.dataset.options, { method: "POST", body })).json();
      if (told.problem) { said.textContent = told.problem; return; }
      const signed = isNew
        ? await navigator.credentials.create({ publicKey: known.parseCreationOptionsFromJSON(told.options) })
        : await navigator.credentials.get({ publicKey: known.parseRequestOptionsFromJSON(told.options) });
      form.elements.credential.value = JSON.stringify(signed);
      form.requestSubmit();
    } catch {
      said.textContent = isNew
        ? "No passkey was made: the device has one already, or nobody confirmed it. Try again."
        : "No passkey was used: the device has none for this site, or nobody confirmed it. Try again.";
    } finally { busy = false; }
  });
}
