// Sends the form in the background and shows how far it is. Without this script the browser sends it itself.
"use strict";

function show(form, sending) {
  form.querySelector(".progress").hidden = !sending;
  form.querySelector("button:not([type])").disabled = sending;
}

function fail(form, text) {
  const failure = form.querySelector(".failure");
  show(form, false);
  failure.textContent = text;
  failure.hidden = false;
}

function send(form) {
  const bar = form.querySelector("progress");
  const percent = form.querySelector(".percent");
  const cancel = form.querySelector(".progress button");
  const request = new XMLHttpRequest();

  function reach(value) {
    bar.value = value;
    percent.textContent = `${value} %`;
    cancel.hidden = value === 100; // it is with the server, which would store it all the same
  }

  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) reach(Math.floor((100 * event.loaded) / event.total));
  });
  // The answer is a whole page, after the redirect: with the new list, or with what was wrong.
  request.addEventListener("load", () => {
    const main = request.response && request.response.querySelector("main");
    if (!main) return fail(form, `The server answered ${request.status}. Try again later.`);
    document.querySelector("main").replaceWith(document.adoptNode(main));
    document.querySelector("[role=status], #error")?.focus();
  });
  request.addEventListener("error", () => fail(form, "The connection broke off. Load the page anew to see what arrived."));
  request.addEventListener("abort", () => fail(form, "Cancelled: nothing was stored."));
  cancel.onclick = () => request.abort();

  request.open(form.method, form.action);
  request.responseType = "document";
  request.send(new FormData(form));
  reach(0);
  show(form, true);
  cancel.focus();
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches(".upload")) return;
  event.preventDefault();
  form.querySelector(".failure").hidden = true;
  const size = [...form.elements.file.files].reduce((sum, file) => sum + file.size, 0);
  if (size > Number(form.dataset.largest)) fail(form, "That is too much at once: choose fewer or smaller files.");
  else send(form);
});
