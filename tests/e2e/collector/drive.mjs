// Drives Segment's Node SDK, its code untouched, only the host set. Called by `sdks.drive` in the folder that holds the packages, with a
// JSON object on stdin: package, host, key and a scenario. Prints what the SDK said as JSON, in the shape of `drive.py`.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const MANY = 230;
const task = JSON.parse(await text(process.stdin));
const require = createRequire(`${process.cwd()}/`);
const { Analytics } = require(task.package);

const errors = [];
const analytics = new Analytics({
  writeKey: task.key,
  host: task.host,
  flushAt: 100,
  flushInterval: 200,
  maxRetries: task.retries ?? 10,
  ...task.options,
});
analytics.on("error", (error) => {
  const said = String(error.reason?.message ?? error);
  errors.push({ status: Number(/^\[(\d+)\]/.exec(said)?.[1]) || null, text: said });
});

// The id of a call's message, once the SDK is done with it.
function sent(type, call) {
  return new Promise((resolve) => analytics[type](call, (_, context) => resolve(context.event.messageId)));
}

function track(task) {
  const properties = task.padding ? { padding: "x".repeat(task.padding) } : {};
  return sent("track", { userId: "user-1", event: "Clicked", properties, messageId: task.message_id });
}

const SCENARIOS = {
  every_call: () => {
    const both = { userId: "user-1", anonymousId: "visitor-1" };
    const traits = { email: "Ann@Example.com", firstName: "Ann", last_name: "Lee", seats: 3 };
    return Promise.all([
      sent("track", { anonymousId: "visitor-1", event: "Signed Up", properties: { plan: "pro" } }),
      sent("identify", { ...both, traits }),
      sent("page", { userId: "user-1", category: "Docs", name: "Pricing", properties: { path: "/pricing" } }),
      sent("screen", { userId: "user-1", name: "Home", properties: { dark: true } }),
      sent("group", { userId: "user-1", groupId: "acme-ltd", traits: { email: "info@acme.example" } }),
      sent("alias", { previousId: "visitor-0", userId: "user-1" }),
      ...Array.from({ length: MANY }, (_, n) => sent("track", { ...both, event: `Step ${n}` })),
    ]);
  },
  one_track: () => track(task),
  two_requests: async () => [await track(task), await track(task)],
};

const began = performance.now();
const result = await SCENARIOS[task.scenario]();
await analytics.closeAndFlush();
const folder = `${process.cwd()}/node_modules/${task.package}`;
const { version } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
console.log(JSON.stringify({ version, file: require.resolve(task.package), errors, result, seconds: (performance.now() - began) / 1000 }));
