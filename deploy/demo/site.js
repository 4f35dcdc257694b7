// The site's own code, as a customer would write it. The tracking script waits for consent (`data-consent="wait"`), which this file asks
// for and remembers. It comes before or after the script as it likes: what is pushed before is made up for.
"use strict";

const tracker = () => (window.onefold = window.onefold || []);
const call = (...words) => tracker().push(words);
const say = (text) => { document.querySelector("[role=status]").textContent = text; };

function decide(decision) {
  localStorage.setItem("shop:consent", decision);
  call("consent", decision);
  say(decision === "granted" ? "Your visit is remembered." : "Your visit is not remembered.");
}

const decided = localStorage.getItem("shop:consent");
if (decided) decide(decided);

for (const button of document.querySelectorAll("[data-consent]")) {
  button.addEventListener("click", () => decide(button.dataset.consent));
}

for (const button of document.querySelectorAll("[data-sku]")) {
  button.addEventListener("click", () => {
    call("track", "Teapot Bought", { sku: button.dataset.sku });
    say("It is yours.");
  });
}

const form = document.querySelector("form");
if (form) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { name, email } = Object.fromEntries(new FormData(form));
    call("identify", { name, email }); // a claim: anybody can type any address
    say("Welcome, " + name + ".");
  });
  document.querySelector("[data-sign-out]").addEventListener("click", () => {
    call("reset");
    say("Signed out.");
  });
}
