// The page of a link: what the link ends with lies behind the #, which no browser sends, and is taken out of the address at once.
// Opening the page changes nothing; a press of the button does (security.md, S10 to S12).
"use strict";
(() => {
  const token = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  const part = (id) => document.getElementById(id);

  const show = (id) => {
    for (const each of document.querySelectorAll("main > section")) each.hidden = each.id !== id;
    const heading = part(id).querySelector("h1");
    if (id !== "ask") heading.focus();
  };

  const post = async (path, body) => {
    const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), credentials: "same-origin" };
    try {
      const answer = await fetch(path, options);
      return { status: answer.status, told: await answer.json() };
    } catch {
      return { status: 0, told: {} };
    }
  };

  const settle = ({ status, told }) => {
    if (status === 200 && told.state === "confirmed") {
      if (told.redirect_url) {
        part("onwards").href = told.redirect_url;
        part("back").hidden = false;
      }
      show("done");
    } else if (status === 200) {
      part("service").textContent = told.service;
      show("code");
    } else if (status === 409) {
      show("refused");
    } else {
      show("later");
    }
  };

  if (!/^[a-z0-9_-]+\.[A-Za-z0-9_-]{43}$/.test(token)) {
    show("refused");
    return;
  }
  part("go").addEventListener("click", async () => {
    part("go").disabled = true;
    settle(await post("/link/open", { token }));
  });
  part("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    part("wrong").textContent = "";
    const answer = await post("/link/confirm", { token, code: part("digits").value });
    if (answer.status === 409 || answer.status === 422) {
      part("wrong").textContent = part("wrong-words").textContent;
      part("digits").focus();
    } else {
      settle(answer);
    }
  });
  show("ask");
})();
