/*! onefold-chat.js 0.1.0, Apache-2.0. A chat for a site's pages. It asks the Contact API and no other host, and runs no text as code. */
(function (window, document, navigator) {
  "use strict";

  const VERSION = "0.1.0";
  const ANONYMOUS = "ajs_anonymous_id"; // kept as onefold.js keeps it, so that both know one visitor
  const GIVE_UP = 15000, LONGEST_WAIT = 300000, TEND = 1000; // ms
  const MOST_WAITED = 120; // s
  const MOST_KEPT = 200, MOST_CHARACTERS = 4000;
  const SMALL = "(max-width: 30em), (max-height: 30em)"; // where the panel takes the whole window, and the page behind it waits

  const script = document.currentScript || document.querySelector("script[data-api-key]");
  const data = script ? script.dataset : {};

  const warn = (...words) => console.warn("onefold-chat:", ...words);
  const attempt = (work, otherwise) => { try { return work(); } catch (error) { return otherwise; } };
  const parse = (text) => attempt(() => JSON.parse(text), null);
  const api = (data.api || new URL(script ? script.src : location.href, location.href).origin).replace(/\/$/, "") + "/contact/v1";
  const key = "onefold-chat:" + data.apiKey;

  function uuid() {
    if (crypto.randomUUID) return crypto.randomUUID(); // absent on plain http
    const random = crypto.getRandomValues(new Uint8Array(16));
    random[6] = (random[6] & 15) | 64;
    random[8] = (random[8] & 63) | 128;
    return Array.from(random, (byte, i) => ([4, 6, 8, 10].includes(i) ? "-" : "") + (byte + 256).toString(16).slice(1)).join("");
  }

  // ---- words: by the page's language, else the browser's, else English; a site may give its own

  const WORDS = {
    en: {
      chat: "Chat", title: "Write to us", greeting: "Hello! Write to us, and we answer by e-mail.", close: "Close the chat",
      message: "Your message", send: "Send", you: "You:", sent: "Sent", waits: "Waits for a connection", failed: "Could not be sent",
      again: "Send again", ask: "Where can we answer you?", name: "Name (optional)", email: "E-mail", phone: "Phone, with its country",
      leave: "Leave it here", later: "Not now", offer: "Leave an address", noEmail: "Type an e-mail address, such as name@example.com.",
      noPhone: "Type a phone number with its country, such as +43 660 1234567.", thanks: "Thank you. We answer to {address}.",
      trouble: "That did not work. Try again.", often: "That was too often. Wait a while, and try again.",
      askCode: "We sent a code to {address}. Type it here, so that we know that it is yours.", code: "Code", confirm: "Confirm",
      another: "Send another code", anotherSent: "We sent another code to {address}. The one before counts no more.",
      soon: "You can have a new code in {seconds} seconds.", skip: "Go on without",
      noCode: "This code is wrong, was used or is too old. Look again, or have another one sent.",
      proved: "Thank you. {address} is confirmed, and we answer there.",
      offline: "There is no connection now. Try again when there is one.",
    },
    de: {
      chat: "Chat", title: "Schreiben Sie uns", greeting: "Guten Tag! Schreiben Sie uns, wir antworten per E-Mail.", close: "Chat schließen",
      message: "Ihre Nachricht", send: "Senden", you: "Sie:", sent: "Gesendet", waits: "Wartet auf eine Verbindung",
      failed: "Konnte nicht gesendet werden", again: "Noch einmal senden", ask: "Wohin dürfen wir antworten?", name: "Name (freiwillig)",
      email: "E-Mail", phone: "Telefon, mit Ländervorwahl", leave: "Hinterlassen", later: "Jetzt nicht", offer: "Adresse hinterlassen",
      noEmail: "Geben Sie eine E-Mail-Adresse ein, etwa name@example.com.",
      noPhone: "Geben Sie eine Telefonnummer mit Ländervorwahl ein, etwa +43 660 1234567.",
      thanks: "Danke. Wir antworten an {address}.", trouble: "Das hat nicht geklappt. Versuchen Sie es noch einmal.",
      often: "Das war zu oft. Warten Sie etwas, und versuchen Sie es dann noch einmal.",
      askCode: "Wir haben einen Code an {address} geschickt. Geben Sie ihn hier ein, damit wir wissen, dass die Adresse Ihre ist.",
      code: "Code", confirm: "Bestätigen", another: "Neuen Code schicken",
      anotherSent: "Wir haben einen neuen Code an {address} geschickt. Der frühere gilt nicht mehr.",
      soon: "Einen neuen Code gibt es in {seconds} Sekunden.", skip: "Ohne Code weiter",
      noCode: "Dieser Code ist falsch, verbraucht oder zu alt. Sehen Sie noch einmal nach, oder lassen Sie einen neuen schicken.",
      proved: "Danke. {address} ist bestätigt, und wir antworten dorthin.",
      offline: "Es gibt gerade keine Verbindung. Versuchen Sie es wieder, wenn es eine gibt.",
    },
    fr: {
      chat: "Chat", title: "Écrivez-nous", greeting: "Bonjour ! Écrivez-nous, nous répondons par e-mail.", close: "Fermer le chat",
      message: "Votre message", send: "Envoyer", you: "Vous :", sent: "Envoyé", waits: "En attente d’une connexion",
      failed: "L’envoi a échoué", again: "Renvoyer", ask: "Où pouvons-nous vous répondre ?", name: "Nom (facultatif)", email: "E-mail",
      phone: "Téléphone, avec l’indicatif du pays", leave: "Laisser l’adresse", later: "Pas maintenant", offer: "Laisser une adresse",
      noEmail: "Saisissez une adresse e-mail, par exemple nom@example.com.",
      noPhone: "Saisissez un numéro avec l’indicatif du pays, par exemple +33 6 12 34 56 78.",
      thanks: "Merci. Nous répondons à {address}.", trouble: "Cela n’a pas fonctionné. Réessayez.",
      often: "Trop d’essais. Patientez un peu, puis réessayez.",
      askCode: "Nous avons envoyé un code à {address}. Saisissez-le ici, pour que nous sachions que l’adresse est la vôtre.",
      code: "Code", confirm: "Confirmer", another: "Envoyer un autre code",
      anotherSent: "Nous avons envoyé un autre code à {address}. Le précédent n’est plus valable.",
      soon: "Un nouveau code sera possible dans {seconds} secondes.", skip: "Continuer sans code",
      noCode: "Ce code est faux, déjà utilisé ou trop ancien. Vérifiez-le, ou faites-en envoyer un autre.",
      proved: "Merci. {address} est confirmée, et nous y répondons.",
      offline: "Il n’y a pas de connexion en ce moment. Réessayez plus tard.",
    },
  };
  const wished = data.lang || document.documentElement.lang || navigator.language || "";
  const spoken = wished.toLowerCase().split("-")[0];
  const words = Object.assign({}, WORDS[spoken] || WORDS.en, data.words && parse(data.words));
  const language = /^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/.test(wished) && (WORDS[spoken] || data.words) ? wished : "en";
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => values[name]);

  // ---- the visitor: whom the tracking script knows; without one, its token is made here in the same manner

  let consent = data.consent || "granted";
  let temporary = null; // where nothing may be stored: for as long as the page lives

  function cookie(name) {
    const found = attempt(() => document.cookie, "").split("; ").find((each) => each.startsWith(name + "="));
    return found ? attempt(() => decodeURIComponent(found.slice(name.length + 1)), null) : null;
  }

  function setCookie(name, value, domain) {
    attempt(() => {
      document.cookie = name + "=" + encodeURIComponent(value || "") + ";path=/;samesite=lax;max-age=" + (value ? 31536000 : 0) +
        (domain ? ";domain=" + domain : "") + (location.protocol === "https:" ? ";secure" : "");
    });
  }

  // The broadest that takes a cookie: one visitor on all subdomains.
  function cookieDomain() {
    if (data.cookieDomain !== undefined) return data.cookieDomain;
    if (/^[\d.]+$|:/.test(location.hostname)) return "";
    const labels = location.hostname.split(".");
    return labels.map((_, i) => labels.slice(-i - 1).join(".")).slice(1).find((each) => {
      setCookie("__tld__", "1", each);
      const taken = cookie("__tld__");
      setCookie("__tld__", null, each);
      return taken;
    }) || "";
  }

  function ownToken(makes) {
    const text = (stored) => (stored && typeof parse(stored) === "string" ? parse(stored) : stored);
    const known = text(cookie(ANONYMOUS)) || text(attempt(() => localStorage.getItem(ANONYMOUS), null));
    if (known || !makes) return known;
    const token = uuid();
    setCookie(ANONYMOUS, token, cookieDomain());
    attempt(() => localStorage.setItem(ANONYMOUS, JSON.stringify(token)));
    return text(cookie(ANONYMOUS)) || text(attempt(() => localStorage.getItem(ANONYMOUS), null));
  }

  // Null where nothing may be stored: the tracking script waits for consent, was denied it, or is not there yet.
  function visitor(makes) {
    if (consent === "denied") return null;
    const tracker = window[data.tracker || "onefold"];
    if (tracker) return attempt(() => tracker.user().anonymousId(), null) || null;
    return consent === "granted" ? ownToken(makes) : null;
  }

  // ---- what was said: in this tab's storage, under the visitor's token; in memory alone where nothing may be stored

  // What the Contact API knows this browser by where its cookie does not reach: a code counts in the browser that asked for it.
  const BROWSER = "onefold-browser";
  const nothing = () => ({ token: null, messages: [], step: "", kind: "", address: "", proof: "" });
  let state = nothing();

  function save() {
    const kept = Object.assign({}, state, { messages: state.messages.slice(-MOST_KEPT) });
    if (state.token) attempt(() => sessionStorage.setItem(key, JSON.stringify(kept)));
  }

  // Nobody sees what another wrote at the same browser; it is sent nevertheless.
  const unsentOf = (messages) => messages.filter((each) => each.state === "waits").map((each) => Object.assign(each, { hidden: true }));

  // Gives the token to send with, after looking who it is now.
  function sync(makes) {
    const token = visitor(makes === true);
    if (token !== state.token) {
      const said = state.messages;
      if (token && state.token) state = Object.assign(nothing(), { messages: unsentOf(said) });
      else if (token) {
        const kept = parse(attempt(() => sessionStorage.getItem(key), null)) || nothing();
        if (kept.token === token) state = Object.assign(kept, { messages: kept.messages.concat(said), step: kept.step || state.step });
        else state.messages = unsentOf(kept.messages).concat(said);
      } else {
        attempt(() => sessionStorage.removeItem(key));
        attempt(() => localStorage.removeItem(BROWSER));
      }
      state.token = token;
      save();
      draw();
      pump();
    }
    return token || (temporary = temporary || uuid());
  }

  // Cut between characters, since half of one is no text.
  const clip = (text, most) => { const all = Array.from(text || ""); return all.length > most ? all.slice(0, most).join("") : text || ""; };
  const page = () => ({ url: clip(location.href.split("#")[0], 2000), title: clip(document.title, 500), referrer: clip(document.referrer, 2000) });

  // ---- sending: one message after the other, again with the same id until it is answered

  let sending = false, failures = 0, timer;

  let browser = null;

  function knownBrowser(given) {
    if (given) browser = given;
    if (given && state.token) attempt(() => localStorage.setItem(BROWSER, given));
    return browser || (state.token ? attempt(() => localStorage.getItem(BROWSER), null) : null);
  }

  async function call(path, body, more) {
    const abort = new AbortController(), late = setTimeout(() => abort.abort(), GIVE_UP);
    try {
      const headers = Object.assign({ "api-key": data.apiKey, "content-type": "application/json" }, more);
      const options = { method: "POST", headers, body: JSON.stringify(body), signal: abort.signal, credentials: "include", keepalive: true };
      const answer = await fetch(api + path, options);
      const said = (await answer.json().catch(() => null)) || {};
      if (!answer.ok) warn(answer.status, said.code || "", said.detail || "");
      return { status: answer.status, wait: Number(answer.headers.get("retry-after")), said };
    } catch (error) {
      return { status: 0, wait: 0, said: {} };
    } finally {
      clearTimeout(late);
    }
  }

  const passing = (status) => status === 0 || status === 408 || status === 429 || status >= 500;

  async function pump() {
    const message = state.messages.find((each) => each.state === "waits");
    if (!message || sending || timer || navigator.onLine === false) return;
    sending = true;
    const { status, wait } = await call("/messages", bodyOf(message));
    sending = false;
    message.late = passing(status);
    if (message.late) {
      const backOff = Math.min(1000 * Math.pow(2, failures++), LONGEST_WAIT) * (0.5 + Math.random() / 2);
      timer = setTimeout(resume, wait > 0 ? wait * 1000 * (1 + Math.random() / 5) : backOff);
    } else {
      failures = 0;
      message.state = status === 202 ? "sent" : "failed";
      state.messages = state.messages.filter((each) => each.state === "waits" || !each.hidden);
    }
    save();
    draw();
    pump();
  }

  function resume() {
    clearTimeout(timer);
    timer = undefined;
    pump();
  }

  // The page goes and hears no answer: what it sends stays for the next page, too, which sends it with the same id.
  function leave() {
    if (timer || navigator.onLine === false) return;
    state.messages.filter((each) => each.state === "waits").slice(sending ? 1 : 0).forEach((each) => call("/messages", bodyOf(each)));
  }

  const bodyOf = ({ token, id, text, page }) => ({ anonymous_token: token, channel: "chat_widget", text, message_id: id, page });

  function say(text) {
    const token = sync(true); // which may change the state
    state.messages.push({ id: uuid(), text, token, page: page(), state: "waits", late: navigator.onLine === false });
    if (!state.step) state.step = "ask";
    save();
    draw();
    pump();
  }

  // ---- the panel

  // What goes in goes in as text: nothing is read as HTML.
  function make(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (typeof value === "function") made.addEventListener(name, value);
      else if (value !== null && value !== undefined) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  const STYLE = `
:host { all: initial; position: fixed; inset-block-end: 0; inset-inline-end: 0; z-index: 2147483000; color-scheme: light; }
section { font: medium/1.45 system-ui, sans-serif; color: #1c1c1c; --accent: var(--onefold-chat-accent, #0b4f8a); --on: var(--onefold-chat-on-accent, #fff); }
* { box-sizing: border-box; font: inherit; color: inherit; }
.hidden { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
button { min-block-size: 2.5em; min-inline-size: 2.5em; padding: 0.3em 0.9em; border: 1px solid var(--accent); border-radius: 0.5em; background: #fff; color: var(--accent); cursor: pointer; }
button { flex: none; }
button.main { background: var(--accent); color: var(--on); }
button[aria-disabled=true] { opacity: 0.7; cursor: default; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.launcher:focus-visible { box-shadow: 0 0 0 8px #fff; }
.launcher { position: fixed; inset-block-end: 1em; inset-inline-end: 1em; min-block-size: 3em; padding-inline: 1.2em; border: 2px solid #fff; border-radius: 1.5em; background: var(--accent); color: var(--on); }
.launcher:not(:focus-visible) { box-shadow: 0 2px 8px #0006; }
dialog { position: fixed; inset: auto; inset-block-end: 5em; inset-inline-end: 1em; margin: 0; padding: 0; inline-size: 22em; max-inline-size: calc(100vw - 2em); block-size: 34em; max-block-size: calc(100vh - 6em); border: 1px solid #6b6b6b; border-radius: 0.7em; background: #fff; box-shadow: 0 4px 24px #0005; overflow: auto; flex-direction: column; }
dialog[open] { display: flex; }
header { display: flex; align-items: center; justify-content: space-between; gap: 0.5em; padding: 0.5em 0.5em 0.5em 1em; background: var(--accent); color: var(--on); }
header button { border-color: transparent; background: transparent; color: var(--on); }
header button:focus-visible, header :focus-visible { outline-color: var(--on); outline-offset: -3px; }
h2 { margin: 0; font-size: 1.1em; font-weight: 600; }
.body { flex: 1 1 auto; min-block-size: 0; overflow: auto; }
.log { padding: 0.8em 1em; }
.log:focus-visible { outline-offset: -3px; }
.log p { margin: 0 0 0.2em; padding: 0.5em 0.8em; border-radius: 0.7em; background: #eef1f4; overflow-wrap: anywhere; white-space: pre-wrap; max-inline-size: 92%; inline-size: fit-content; }
.mine { margin-block-start: 0.6em; display: flex; flex-direction: column; align-items: flex-end; }
.log .mine p { background: #d9e8f5; }
.state { font-size: 0.85em; color: #4a4a4a; }
.state button { margin-inline-start: 0.5em; min-block-size: 2em; padding-block: 0; }
.step { padding: 0 1em; }
.step p { margin: 0.4em 0; }
form { margin: 0; padding: 0 0 0.6em; }
label { display: block; margin-block: 0.3em 0.4em; }
input, textarea { inline-size: 100%; padding: 0.4em 0.6em; border: 1px solid #6b6b6b; border-radius: 0.4em; background: #fff; }
textarea { resize: vertical; min-block-size: 3.4em; }
[aria-invalid=true] { border-color: #a80000; border-width: 2px; }
.error { color: #a80000; }
.row { display: flex; flex-wrap: wrap; gap: 0.5em; margin-block-start: 0.6em; }
.compose .row { flex-wrap: nowrap; align-items: flex-end; margin: 0; }
.compose { padding: 0.3em 1em 0.8em; border-block-start: 1px solid #6b6b6b; flex: none; }
@media ${SMALL} { dialog[open] { inset: 0; inline-size: 100%; block-size: 100%; max-inline-size: none; max-block-size: none; border: 0; border-radius: 0; } .body { flex-shrink: 0; overflow: visible; } }
@media (prefers-reduced-motion: no-preference) { dialog[open] { animation: come 0.15s ease-out; } @keyframes come { from { opacity: 0; transform: translateY(0.5em); } } }
@media print { section { display: none; } }`;

  let root, launcher, panel, body, log, status, step, text, shown = null;
  const entries = new Map();

  function build() {
    const host = make("div", { "data-onefold-chat": "" });
    root = host.attachShadow({ mode: "open" });
    if ("adoptedStyleSheets" in root) {
      const sheet = new CSSStyleSheet(); // which a Content-Security-Policy without unsafe-inline lets through
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
    } else root.append(make("style", {}, STYLE));
    launcher = make("button", { type: "button", class: "launcher", "aria-haspopup": "dialog", "aria-expanded": "false", click: () => (panel.open ? shut() : open()) }, words.chat);
    log = make("div", { class: "log", role: "log", "aria-live": "polite", "aria-label": words.title, tabindex: "0" }, make("p", {}, words.greeting));
    status = make("p", { role: "status" });
    step = make("div", {});
    text = make("textarea", { id: "text", rows: "2", maxlength: MOST_CHARACTERS, dir: "auto", keydown: onKey });
    body = make("div", { class: "body" }, log, make("div", { class: "step" }, status, step));
    const close = make("button", { type: "button", "aria-label": words.close, click: shut }, make("span", { "aria-hidden": "true" }, "✕"));
    panel = make("dialog", { "aria-labelledby": "title", close: closed },
      make("header", {}, make("h2", { id: "title" }, words.title), close),
      body,
      make("form", { class: "compose", submit: onSay }, make("label", { for: "text" }, words.message),
        make("div", { class: "row" }, text, make("button", { class: "main" }, words.send))));
    const direction = getComputedStyle(document.documentElement).direction;
    root.append(make("section", { "aria-label": words.chat, lang: language, dir: direction }, launcher, panel));
    document.body.append(host);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && panel.open && !event.defaultPrevented && !event.isComposing) shut();
    });
  }

  function open() {
    if (panel.open) return;
    sync();
    if (matchMedia(SMALL).matches) panel.showModal();
    else panel.show();
    launcher.setAttribute("aria-expanded", "true");
    draw();
    text.focus();
    body.scrollTop = body.scrollHeight;
  }

  function shut() {
    if (!panel.open) return;
    const inside = root.activeElement;
    panel.close();
    closed();
    if (inside) launcher.focus();
  }

  const closed = () => launcher.setAttribute("aria-expanded", "false");

  function onSay(event) {
    event.preventDefault();
    const said = text.value.trim();
    text.value = "";
    text.focus();
    if (said) say(said);
  }

  function onKey(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) onSay(event);
  }

  // Changes only what changed: a screen reader reads what is added to the log.
  function draw() {
    if (!root) return;
    const visible = state.messages.filter((each) => !each.hidden);
    for (const [id, { entry }] of entries) if (!visible.some((each) => each.id === id)) { entry.remove(); entries.delete(id); }
    const count = entries.size;
    for (const message of visible) drawMessage(message);
    if (drawStep() || entries.size > count) body.scrollTop = body.scrollHeight;
  }

  function drawMessage(message) {
    let drawn = entries.get(message.id);
    if (!drawn) {
      const note = make("span", { class: "state" });
      const entry = make("div", { class: "mine" }, make("p", { dir: "auto" }, make("span", { class: "hidden" }, words.you + " "), message.text), note);
      entries.set(message.id, (drawn = { entry, note, state: "" }));
      log.append(entry);
    }
    const now = message.state === "waits" && !message.late ? "" : message.state;
    if (now === drawn.state) return;
    drawn.state = now;
    const again = () => { Object.assign(message, { state: "waits", late: false }); text.focus(); save(); draw(); pump(); };
    drawn.note.replaceChildren(words[now] || "", ...(now === "failed" ? [make("button", { type: "button", click: again }, words.again)] : []));
  }

  // ---- steps beside the messages: an address is asked for

  const STEPS = {
    "": () => ["", []],
    ask: askForm,
    later: () => ["", [make("button", { type: "button", click: () => { go("ask"); step.querySelector("input").focus(); } }, words.offer)]],
    code: codeForm,
    done: () => [fill(words.thanks, state), []],
    proved: () => [fill(words.proved, state), []],
  };

  function drawStep() {
    if (shown === state.step) return false;
    const inside = step.contains(root.activeElement);
    shown = state.step;
    const [told, parts] = STEPS[shown]();
    status.textContent = told;
    step.replaceChildren(...parts);
    if (inside) (step.querySelector("input") || text).focus();
    return true;
  }

  function go(name) {
    state.step = name;
    save();
    draw();
  }

  function field(name, type, complete, more) {
    const input = make("input", Object.assign({ id: name, name, type, autocomplete: complete, maxlength: type === "tel" ? 50 : 200, "aria-describedby": name + "-error" }, more));
    return [make("label", { for: name }, words[name]), input, make("p", { class: "error", id: name + "-error" })];
  }

  function mistake(form, name, told) {
    for (const input of form.querySelectorAll("input")) {
      const wrong = input.name === name;
      if (wrong) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
      root.getElementById(input.id + "-error").textContent = wrong ? told : "";
      if (wrong) input.focus();
    }
  }

  // A form that is sent once at a time: `work` gives nothing, or the name of a field and what is wrong with it.
  function formOf(fields, buttons, work) {
    let busy = false;
    const form = make("form", { novalidate: "", submit: async (event) => {
      event.preventDefault();
      if (busy) return;
      busy = true;
      mistake(form);
      const main = form.querySelector(".main");
      main.setAttribute("aria-disabled", "true");
      const wrong = await work(Object.fromEntries(Array.from(new FormData(form), ([name, value]) => [name, value.trim()])));
      main.setAttribute("aria-disabled", "false");
      busy = false;
      if (wrong) mistake(form, ...wrong);
    } }, ...fields, make("div", { class: "row" }, ...buttons));
    return form;
  }

  const troubleOf = ({ status }) => (status === 0 ? words.offline : status === 429 ? words.often : words.trouble);

  function askForm() {
    const asked = (data.fields || "name email").split(/[\s,]+/), kinds = { name: "text", email: "email", phone: "tel" };
    const fields = asked.filter((name) => kinds[name]).flatMap((name) => field(name, kinds[name], kinds[name] === "text" ? name : kinds[name]));
    const buttons = [make("button", { class: "main" }, words.leave), make("button", { type: "button", click: () => go("later") }, words.later)];
    const form = formOf(fields, buttons, async (given) => {
      const wanted = ["email", "phone"].filter((name) => name in given);
      if (given.email && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(given.email)) return ["email", words.noEmail];
      if (!wanted.some((name) => given[name])) return [wanted[0], wanted[0] === "email" ? words.noEmail : words.noPhone];
      const lead = Object.fromEntries(Object.entries(given).filter(([, value]) => value));
      const answer = await call("/leads", visit(lead));
      if (answer.status !== 202) return [wanted[0], answer.said.code === "invalid_email" ? words.noEmail : troubleOf(answer)];
      state.kind = given.email ? "email" : "phone";
      state.address = given[state.kind];
      await askForCode();
    });
    return [words.ask, [form]];
  }

  // ---- the code: it proves the address. Where none can be sent, the lead stands all the same.

  const validate = (path, body) => {
    const known = knownBrowser();
    return call("/validations" + path, body, known ? { [BROWSER]: known } : {});
  };

  const visit = (more) => Object.assign({ anonymous_token: sync(true), channel: "chat_widget", page: page() }, more);

  // Gives the answer to a call that sends a code.
  async function sent(path, body) {
    const answer = await validate(path, body);
    if (answer.status === 202) {
      knownBrowser(answer.said.browser);
      state.proof = answer.said.validation_id;
      save();
    }
    return answer;
  }

  const sendCode = () => sent("", visit({ [state.kind]: state.address, language }));

  let wait = 0;

  async function askForCode() {
    if (data.codes === "off") return go("done");
    const answer = await sendCode();
    wait = answer.status === 429 && answer.wait <= MOST_WAITED ? answer.wait : 0;
    go(answer.status === 202 || wait > 0 ? "code" : "done");
  }

  const askingFor = () => fill(state.proof ? words.askCode : wait > 0 ? words.soon : words.often, Object.assign({ seconds: wait }, state));

  function codeForm() {
    const tell = (told, values) => { status.textContent = fill(told, Object.assign({}, state, values)); };
    const another = async () => {
      let answer = state.proof ? await sent("/" + state.proof + "/resend", { language }) : { status: 409 };
      if (answer.status === 409) answer = await sendCode(); // there is none, or none any more, that another could follow
      if (answer.status === 202) {
        tell(words.anotherSent);
        step.querySelector("input").focus();
      } else if (answer.status === 429 && answer.wait > 0) tell(words.soon, { seconds: answer.wait });
      else tell(troubleOf(answer));
    };
    const fields = field("code", "text", "one-time-code", { inputmode: "numeric", maxlength: "40" });
    const buttons = [make("button", { class: "main" }, words.confirm), make("button", { type: "button", click: another }, words.another),
      make("button", { type: "button", click: () => go("done") }, words.skip)];
    const form = formOf(fields, buttons, async ({ code }) => {
      if (!code || !state.proof) return ["code", words.noCode];
      const answer = await validate("/" + state.proof + "/confirm", visit({ code }));
      if (answer.status !== 200) return ["code", answer.status === 409 || answer.status === 422 ? words.noCode : troubleOf(answer)];
      state.proof = "";
      go("proved");
    });
    return [askingFor(), [form]];
  }

  // ---- calls of the page

  const chat = {
    VERSION,
    open: () => open(),
    close: () => shut(),
    consent(decision) {
      consent = decision;
      sync();
    },
    push([method, ...given]) {
      if (typeof chat[method] === "function") chat[method](...given);
      else warn("there is no " + method + "()");
    },
  };

  let started = false;

  function start() {
    if (started) return;
    started = true;
    if (!data.apiKey) return warn("the script element needs data-api-key, a public write key");
    const early = window.onefoldChat;
    if (early && early.VERSION) return;
    build();
    window.onefoldChat = chat;
    sync();
    setInterval(sync, TEND);
    if (Array.isArray(early)) early.forEach(chat.push);
    addEventListener("online", () => { failures = 0; resume(); });
    addEventListener("offline", () => { state.messages.forEach((each) => { each.late = each.state === "waits"; }); draw(); });
    addEventListener("pageshow", (event) => { if (event.persisted) { sync(); resume(); } });
    addEventListener("pagehide", leave);
  }

  // After the deferred scripts of the page: the tracking script may be one that waits for consent.
  if (document.readyState === "complete") start();
  else for (const event of ["DOMContentLoaded", "load"]) addEventListener(event, start);
})(window, document, navigator);
