/*! onefold.js 0.1.0, Apache-2.0. Calls and stored names are those of analytics.js, so either may replace the other. */
(function (window, document, navigator) {
  "use strict";

  const VERSION = "0.1.0";
  const ANONYMOUS = "ajs_anonymous_id", USER = "ajs_user_id";
  const OTHERS = ["ajs_group_id", "ajs_user_traits", "ajs_group_properties"]; // of analytics.js; end with the others
  const GATHER = 250, TEND = 10000, STALE = 30000, GIVE_UP = 15000, LONGEST_WAIT = 300000, OLDEST = 7 * 864e5; // ms
  const MOST_EVENTS = 500, MOST_IN_BATCH = 50;
  const BATCH_BYTES = 60000; // browsers let 64 KiB leave with a page
  const EVENT_BYTES = 32000; // the collector takes 32 KiB

  const script = document.currentScript;
  const data = script ? script.dataset : {};
  const name = data.name || "onefold";
  const before = window[name];
  if (before && before.VERSION) return;

  let settings = null; // until load()
  let consent = null; // "granted", "wait" or "denied"
  let waiting = []; // calls before load() or consent
  let traits = {};

  const warn = (...words) => console.warn("onefold:", ...words);
  const isObject = (value) => Object.prototype.toString.call(value) === "[object Object]";
  const attempt = (work, otherwise) => { try { return work(); } catch (error) { return otherwise; } };
  const parse = (text) => attempt(() => JSON.parse(text), text);
  const bytes = (value) => new Blob([JSON.stringify(value)]).size;

  function uuid() {
    if (crypto.randomUUID) return crypto.randomUUID(); // absent on plain http
    const random = crypto.getRandomValues(new Uint8Array(16));
    random[6] = (random[6] & 15) | 64;
    random[8] = (random[8] & 63) | 128;
    return Array.from(random, (byte, i) => ([4, 6, 8, 10].includes(i) ? "-" : "") + (byte + 256).toString(16).slice(1)).join("");
  }

  // ---- what is kept: in a cookie and in storage, which restore each other; in memory what neither takes

  const memory = {};
  let domain;

  const local = (key) => attempt(() => localStorage.getItem(key), null);
  const setLocal = (key, text) =>
    attempt(() => { text === null ? localStorage.removeItem(key) : localStorage.setItem(key, text); return true; }, false);
  const localKeys = () => attempt(() => Object.keys(localStorage), []).filter((key) => key.startsWith(prefix));

  function cookie(key) {
    const found = attempt(() => document.cookie, "").split("; ").find((each) => each.startsWith(key + "="));
    return found ? attempt(() => decodeURIComponent(found.slice(key.length + 1)), null) : null;
  }

  function setCookie(key, value, at) {
    const age = value === null ? 0 : 31536000;
    attempt(() => {
      document.cookie = key + "=" + encodeURIComponent(value || "") + ";path=/;samesite=lax;max-age=" + age +
        (at ? ";domain=" + at : "") + (location.protocol === "https:" ? ";secure" : "");
    });
  }

  // From the broadest to the host itself.
  function domains() {
    const labels = location.hostname.split(".");
    return /^[\d.]+$|:/.test(location.hostname) ? [] : labels.map((_, i) => labels.slice(-i - 1).join(".")).slice(1);
  }

  // The broadest that takes a cookie, as with analytics.js: one visitor on all subdomains.
  function cookieDomain() {
    if (domain === undefined) domain = settings.cookieDomain;
    if (domain === undefined) {
      domain = domains().find((each) => {
        setCookie("__tld__", "1", each);
        const taken = cookie("__tld__");
        setCookie("__tld__", null, each);
        return taken;
      }) || "";
    }
    return domain;
  }

  const text = (stored) => {
    const value = parse(stored);
    return value && !isObject(value) ? String(value) : null;
  };

  function recall(key) {
    const inCookie = text(cookie(key)), inLocal = text(local(key));
    const value = inCookie || inLocal || memory[key] || null;
    if (value && (inCookie !== value || inLocal !== value)) remember(key, value);
    return value;
  }

  function remember(key, value) {
    setCookie(key, value, cookieDomain());
    setLocal(key, JSON.stringify(value));
    // Only if nothing else has it: what another tab ends must not come back from here.
    if (cookie(key) || local(key)) delete memory[key];
    else memory[key] = value;
  }

  function forget() {
    traits = {};
    token = null;
    for (const key of [ANONYMOUS, USER].concat(OTHERS)) {
      ["", settings.cookieDomain].concat(domains()).forEach((each) => setCookie(key, null, each));
      setLocal(key, null);
      delete memory[key];
    }
  }

  function anonymousId(id) {
    if (!settings || consent !== "granted") return null;
    if (id || id === null || !recall(ANONYMOUS)) remember(ANONYMOUS, String(id || uuid()));
    return recall(ANONYMOUS); // another tab may have been faster
  }

  function userId(id) {
    if (!settings || consent !== "granted") return null;
    const known = recall(USER);
    if (!id || id === known) return known;
    if (known) { // somebody else at this browser
      forget();
      anonymousId(null);
    }
    token = null;
    remember(USER, id);
    return id;
  }

  // ---- the queue: one a tab, in storage if that works. What storage says counts, since other tabs take over what seems dead.
  // No lock is held for it, which would keep the page out of the back-forward cache: two takers send the same messageIds.

  let prefix, mine, queue = [], stored = false;

  function reload() {
    if (stored) queue = (parse(local(mine)) || {}).events || [];
  }

  function save(at) {
    stored = queue.length > 0 && setLocal(mine, JSON.stringify({ at, events: queue }));
    if (!stored) setLocal(mine, null);
  }

  function takeOver() {
    const now = Date.now();
    reload();
    for (const key of localKeys()) {
      const { at, events } = parse(local(key)) || {};
      if (key === mine || Math.abs(now - at) < STALE) continue;
      setLocal(key, null);
      queue = (events || []).filter((event) => now - Date.parse(event.originalTimestamp) < OLDEST).concat(queue);
    }
    if (queue.length) {
      save(now);
      flushIn(GATHER);
    }
  }

  function enqueue(event) {
    if (bytes(event) > EVENT_BYTES) return warn("dropped, since it is larger than 32 kB:", event);
    reload();
    queue = queue.concat(event).slice(-MOST_EVENTS);
    save(Date.now());
    flushIn(GATHER);
  }

  const without = (events, gone) => events.filter((event) => !gone.some((each) => each.messageId === event.messageId));

  // ---- sending

  let sending = [], failures = 0, notBefore = 0, timer, timerAt = Infinity, abort;

  function flushIn(ms) {
    const at = Math.max(Date.now() + ms, notBefore);
    if (at >= timerAt) return;
    clearTimeout(timer);
    timerAt = at;
    timer = setTimeout(() => { timerAt = Infinity; flush(); }, at - Date.now());
  }

  function batchOf(events, room) {
    const end = events.findIndex((event, i) => (room -= bytes(event) + 1) < 0 || i === MOST_IN_BATCH);
    return end < 0 ? events : events.slice(0, end);
  }

  // With the key in the body, as text: that needs no preflight.
  function bodyOf(batch, identityToken) {
    const context = identityToken ? { identityToken } : {};
    return JSON.stringify({ batch, context, sentAt: new Date().toISOString(), writeKey: settings.writeKey });
  }

  const url = () => settings.host + "/v1/batch";
  const post = (body, signal) =>
    fetch(url(), { method: "POST", body, headers: { "content-type": "text/plain" }, signal, keepalive: true, credentials: "omit" });

  async function flush() {
    reload();
    if (sending.length || !queue.length || consent !== "granted" || navigator.onLine === false) return;
    const batch = (sending = batchOf(queue, BATCH_BYTES));
    const shown = await tokenFor(batch);
    if (consent === "granted") {
      abort = new AbortController();
      const late = setTimeout(() => abort.abort(), GIVE_UP);
      try {
        const answer = await post(bodyOf(batch, shown), abort.signal);
        answered(batch, answer, (await answer.json().catch(() => null)) || {}, shown);
      } catch (error) {
        tryLater();
      }
      clearTimeout(late);
    }
    sending = [];
    if (queue.length) flushIn(0);
  }

  function answered(batch, answer, { code, message, rejected = [], not_asserted = [] }, shown) {
    const status = answer.status;
    if (status === 408 || status === 429 || status >= 500) return tryLater(answer.headers.get("retry-after"));
    failures = notBefore = 0;
    const unmet = rejected.concat(not_asserted).filter((each) => /token_/.test(each.code));
    let done = batch;
    if (status === 401 || unmet.length) {
      token = null;
      // What was not taken goes again once, with a new token. Claims stay claims.
      renewing = shown && !renewing;
      if (renewing) done = status === 401 ? [] : without(batch, rejected.filter((each) => unmet.includes(each)));
    } else renewing = false;
    if (done.length && !answer.ok) warn("refused:", status, code, message);
    rejected.forEach((each) => warn("refused:", each.code, each.message));
    reload();
    queue = without(queue, done);
    save(Date.now());
  }

  function tryLater(seconds) {
    const backOff = Math.min(1000 * Math.pow(2, failures++), LONGEST_WAIT) * (0.5 + Math.random() / 2);
    notBefore = Date.now() + (seconds > 0 ? seconds * 1000 * (1 + Math.random() / 5) : backOff);
  }

  // The page goes, for good or into a cache, and hears no answer: so what it sends stays for the next page, too, with its messageIds.
  function leave() {
    if (consent !== "granted") return;
    reload();
    const batch = batchOf(without(queue, sending), BATCH_BYTES - bytes(sending));
    if (batch.length && navigator.onLine !== false && Date.now() >= notBefore) {
      const body = bodyOf(batch, freshToken());
      // A beacon takes the cookies of the collector's site along, so it is second.
      if ("keepalive" in Request.prototype) post(body).catch(() => {});
      else navigator.sendBeacon(url(), body);
    }
    sending = sending.concat(batch); // being hidden comes next
    save(0);
  }

  // ---- the identity token: asked for when a batch names a user

  let token = null, tokenUntil = 0, renewing = false;

  const freshToken = () => (Date.now() < tokenUntil ? token : null);

  async function tokenFor(batch) {
    if (!settings.identityToken || !batch.some((event) => event.userId)) return null;
    if (freshToken()) return token;
    try {
      token = await Promise.race([settings.identityToken(), new Promise((resolve) => setTimeout(resolve, GIVE_UP))]);
      // How long it lives, by its own times: this device's clock may be off.
      const claims = attempt(() => JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))), {});
      tokenUntil = Date.now() + (claims.exp - claims.iat - 30) * 1000;
    } catch (error) {
      token = null;
      warn("identityToken() failed, so calls are claims:", error);
    }
    return token;
  }

  // ---- calls

  function pageNow() {
    const link = document.querySelector("link[rel=canonical]");
    const at = (link && attempt(() => new URL(link.href))) || location;
    const search = location.search, href = at.href.split("#")[0];
    return {
      path: at.pathname, referrer: document.referrer, search, title: document.title,
      url: href.includes("?") ? href : href + search,
    };
  }

  function contextOf(page) {
    const context = { library: { name: "onefold.js", version: VERSION }, page, locale: navigator.language };
    context.timezone = attempt(() => Intl.DateTimeFormat().resolvedOptions().timeZone);
    new URLSearchParams(page.search).forEach((value, key) => {
      if (!/^utm_./.test(key)) return;
      context.campaign = context.campaign || {};
      context.campaign[key === "utm_campaign" ? "name" : key.slice(4)] = value;
    });
    return context;
  }

  function send(type, { at, page }, fields, options) {
    const more = isObject(options) ? options : {};
    const event = Object.assign({ type, messageId: uuid(), originalTimestamp: at, anonymousId: anonymousId() }, fields);
    const user = userId();
    if (user) event.userId = user;
    for (const key of ["anonymousId", "integrations", "messageId", "timestamp", "userId"]) if (more[key]) event[key] = more[key];
    event.context = Object.assign(contextOf(page), more.context);
    enqueue(event);
    return event;
  }

  const pageLike = (type) => (seen, ...words) => {
    const texts = words.filter((word) => typeof word === "string"), objects = words.filter(isObject);
    const fields = { properties: Object.assign({}, type === "page" && seen.page, objects[0]) };
    if (texts.length) fields.name = fields.properties.name = texts[texts.length - 1];
    if (texts.length > 1) fields.category = texts[0];
    return send(type, seen, fields, objects[1]);
  };

  const METHODS = {
    page: pageLike("page"),
    screen: pageLike("screen"),
    track(seen, event, properties, options) {
      if (isObject(event)) return METHODS.track(seen, event.event, event.properties, properties);
      if (!event) return warn("track() needs the name of an event");
      return send("track", seen, { event: String(event), properties: isObject(properties) ? properties : {} }, options);
    },
    identify(seen, id, given, options) {
      if (isObject(id)) return METHODS.identify(seen, null, id, given);
      if (id) userId(String(id));
      const told = isObject(given) ? given : {};
      Object.assign(traits, told);
      return send("identify", seen, { traits: told }, options);
    },
    group: (seen, id, given, options) => send("group", seen, { groupId: String(id), traits: isObject(given) ? given : {} }, options),
    setAnonymousId: (seen, id) => anonymousId(id),
    reset: forget,
  };

  // What goes wrong here is no trouble of the page.
  function run(method, seen, said) {
    try { return METHODS[method](seen, ...said) || null; } catch (error) { warn(method + "():", error); return null; }
  }

  // The page may wait for the callback to go on: it is called soon whatever becomes of the call, which by then survives the page.
  function made(method, words) {
    const seen = { at: new Date().toISOString(), page: pageNow() };
    const said = words.filter((word) => typeof word !== "function" && !(word && word.__t)); // analytics.js' snippet adds __t
    let event = null;
    if (settings && consent === "granted") event = run(method, seen, said);
    else if (consent !== "denied" && waiting.length < MOST_EVENTS) waiting.push([method, seen, said]);
    const callback = words.find((word) => typeof word === "function");
    if (callback) setTimeout(callback, 0, event);
    return Promise.resolve(event);
  }

  function goOn() {
    if (!settings || consent !== "granted") return;
    anonymousId();
    takeOver();
    waiting.splice(0).forEach((call) => run(...call));
  }

  function refuse() {
    waiting = [];
    if (abort) abort.abort();
    if (!settings) return;
    forget();
    queue = [];
    localKeys().forEach((key) => setLocal(key, null));
  }

  let loaded;
  const ready = new Promise((resolve) => { loaded = resolve; });

  const api = {
    VERSION,
    load(writeKey, options) {
      if (settings) return warn("load() was called before; that one counts");
      settings = Object.assign({}, options, { writeKey });
      settings.host = (settings.host || script.src.replace(/\/[^/]*$/, "")).replace(/\/$/, "");
      prefix = "onefold:" + writeKey + ":";
      mine = prefix + uuid();
      consent = consent || (settings.globalPrivacyControl && navigator.globalPrivacyControl ? "denied" : settings.consent || "granted");
      addEventListener("online", () => { notBefore = 0; flushIn(0); });
      addEventListener("pagehide", leave);
      addEventListener("pageshow", (event) => { if (event.persisted) { sending = []; goOn(); } });
      document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") flush(); });
      setInterval(() => { if (consent === "granted") takeOver(); }, TEND);
      api.consent(consent);
      loaded();
    },
    consent(state) {
      consent = state;
      if (state === "denied") refuse();
      else goOn();
    },
    ready: (callback) => ready.then(callback),
    user: () => ({ anonymousId, id: () => userId(), traits: () => Object.assign({}, traits) }),
    alias: () => warn("alias() is for servers with a secret key; identify() joins this visitor to a user"),
    flush,
    push([method, ...words]) {
      if (typeof api[method] === "function") api[method](...words);
      else warn("there is no " + method + "()");
    },
  };
  for (const method of Object.keys(METHODS)) api[method] = (...words) => made(method, words);

  window[name] = api;
  if (data.writeKey) {
    api.load(data.writeKey, data);
    if (data.page !== "off") api.page();
  }
  if (Array.isArray(before)) before.forEach(api.push);
})(window, document, navigator);
