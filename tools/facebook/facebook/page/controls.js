// The controls of the box: its time, who has the threads, webhooks, what the chosen customer does, refusals and faults.

import * as api from "./api.js";
import { element, keep } from "./draw.js";

const find = (id) => document.getElementById(id);
const HOUR = 3600; // seconds

const REGIMES = {
  routing: "Default app, which may take control",
  routing_no_take: "Default app, which may not take control",
  zero_config: "No default app (zero config)",
  roles: "Primary and secondary receivers (older)",
};
const SWITCHES = {
  refuse_token: "Refuse the page's token",
  echo_first: "Echo before the answer",
  redeliver: "Deliver each webhook twice",
  hold_webhooks: "Hold webhooks back",
  mix_pages: "Several pages in one post",
  both_channels: "Messages on both channels",
  standby_off: "Nothing on standby",
};
const NUMBERS = {
  fail_5xx: "Next calls fail, not done",
  fail_after_accept: "Next calls done, answered 500",
  lose_answers: "Next calls done, answer lost",
  rate_limit: "Next calls refused: too many",
  delay_answers_s: "Seconds before an answer",
  delay_webhooks_s: "Seconds before a webhook",
  batch: "Events in one post",
};
const LIKE = { type: "sticker", sticker_id: "369239263222822" };
const ACTS = [
  ["Like", "say", { attachments: [LIKE] }],
  ["Location", "say", { attachments: [{ type: "location", coordinates: { lat: 52.52, long: 13.4 } }] }],
  ["Read all", "read", {}],
  ["Come by link", "referral", { ref: "flyer" }],
  ["Opt in", "optin", { ref: "newsletter" }],
  ["Link account", "account_linking", { authorization_code: "demo" }],
  ["Begin lead ad", "lead_begin", {}],
  ["End lead ad", "lead_end", { summary: "Size? M" }],
];

/** Builds what does not change, and listens. */
export async function startControls(now, who, act) {
  const moves = [
    ["+1 hour", () => api.advance(HOUR)],
    ["+24 hours", () => api.advance(24 * HOUR)],
    ["+7 days", () => api.advance(7 * 24 * HOUR)],
    ["Real time", () => api.setClock(0)],
  ];
  find("time-moves").append(...moves.map(([name, move]) => button(name, () => act(move()))));
  find("regime").append(...Object.entries(REGIMES).map(([value, name]) => option(value, name)));
  for (const id of ["regime", "regime-app", "inbox-connected"]) {
    find(id).addEventListener("change", () => act(api.setRegime(now.page.id, chosenRegime())));
  }
  find("person-switches").append(
    toggle("blocked", "Has blocked the page", (on) => act(api.changeCustomer(who(), { blocked: on }))),
    toggle("unreadable", "Profile cannot be read", (on) => act(api.changeCustomer(who(), { readable: !on }))),
  );
  find("person-acts").append(...ACTS.map(([name, what, body]) => button(name, () => act(api.customerActs(what)(who(), body)))));
  find("faults").append(
    ...Object.entries(SWITCHES).map(([name, label]) => toggle(name, label, (on) => act(api.setFault({ [name]: on })))),
    ...Object.entries(NUMBERS).map(([name, label]) => amount(name, label, (value) => act(api.setFault({ [name]: value })))),
  );
  find("faults-off").addEventListener("click", () => act(api.clearFaults()));
  await startRules(now, act);
  find("subscriptions").addEventListener("click", (event) => {
    const app = event.target.dataset.app;
    if (app) {
      const fields = now.state.apps.find((one) => one.id === app).fields;
      act(api.setSubscription(now.page.id, { app, fields: event.target.dataset.on === "true" ? fields : [] }));
    }
  });
}

async function startRules(now, act) {
  const { refusals } = await api.readRefusals();
  const words = (row) => [row.code || row.status, row.subcode].filter(Boolean).join("/");
  find("rule-refusal").append(
    ...refusals.map((row) => option(row.name, `${row.name.replaceAll("_", " ")} (${words(row)})`)),
  );
  find("rule-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const times = event.target.elements.times.value;
    act(api.addRule({ refusal: event.target.elements.refusal.value, page: now.page.id, times: times ? Number(times) : null }));
  });
  find("rules").addEventListener("click", (event) => {
    if (event.target.dataset.rule) {
      act(api.removeRule(event.target.dataset.rule));
      find("rule-refusal").focus();
    }
  });
}

/** Shows what is set now. A control that is being used is left alone. */
export function drawControls(now, appName) {
  const { state, page } = now;
  const hours = Math.round(state.ahead_s / HOUR);
  const ahead = state.ahead_s ? `, ${hours} hour${hours === 1 ? "" : "s"} ahead` : "";
  const look = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  find("time").textContent = new Date(state.now).toLocaleString([], look) + ahead;
  if (!page) {
    return;
  }
  drawRegime(page, appName);
  keep(find("subscriptions"), subscriptionsOf(state, page), (row) => row.app, subscription);
  keep(find("rules"), state.rules.filter((rule) => !rule.is_spent), (rule) => rule.id, ruleRow);
  const faults = state.faults_of_page[page.id] ?? state.faults;
  for (const name of Object.keys(SWITCHES)) {
    set(find(`switch-${name}`), "checked", faults[name]);
  }
  for (const name of Object.keys(NUMBERS)) {
    set(find(`amount-${name}`), "value", String(faults[name]));
  }
  const customer = now.transcript?.customer;
  for (const control of find("panel-controls").querySelectorAll("#person-acts button, #person-switches input")) {
    control.disabled = !customer;
  }
  set(find("switch-blocked"), "checked", Boolean(customer?.blocked));
  set(find("switch-unreadable"), "checked", customer?.readable === false);
}

function drawRegime(page, appName) {
  set(find("regime"), "value", page.regime);
  const apps = page.connected.map((id) => ({ id, name: appName(id) }));
  keep(find("regime-app"), apps, (app) => app.id, (app) => option(app.id, app.name));
  set(find("regime-app"), "value", page.primary ?? page.default_app ?? "");
  find("regime-app-label").textContent = page.regime === "roles" ? "Primary receiver" : "Default app";
  find("regime-app-choice").hidden = page.regime === "zero_config";
  set(find("inbox-connected"), "checked", page.inbox_is_receiver);
}

function chosenRegime() {
  const body = { regime: find("regime").value, inbox_is_receiver: find("inbox-connected").checked };
  return find("regime-app").value ? { ...body, app: find("regime-app").value } : body;
}

const subscriptionsOf = (state, page) =>
  state.apps
    .filter((app) => page.connected.includes(app.id))
    .map((app) => ({ app: app.id, name: app.name, fields: page.subscriptions[app.id]?.length ?? 0, failing: app.failing }));

function subscription(row) {
  const on = row.fields > 0;
  const state = on ? `${row.fields} fields${row.failing ? ", failing" : ""}` : "not subscribed";
  return element(
    "li",
    {},
    element("span", { className: on && !row.failing ? "" : "bad", textContent: `${row.name}: ${state}` }),
    element("button", { type: "button", textContent: on ? "Unsubscribe" : "Subscribe", "data-app": row.app, "data-on": String(!on) }),
  );
}

function ruleRow({ id, rule, hits }) {
  const name = (rule.refusal ?? String(rule.code ?? "")).replaceAll("_", " ");
  const often = rule.times === null ? "until removed" : `${rule.times - hits} left`;
  return element(
    "li",
    {},
    element("span", { textContent: `${name}: ${often}` }),
    element("button", { type: "button", textContent: "Remove", "data-rule": String(id), ariaLabel: `Remove ${name}` }),
  );
}

/** Sets a property, unless somebody is changing it. */
function set(control, name, value) {
  if (control[name] !== value && !(document.activeElement === control && name === "value" && control.type === "number")) {
    control[name] = value;
  }
}

const button = (name, onclick) => element("button", { type: "button", textContent: name, onclick });
const option = (value, textContent) => element("option", { value, textContent });

function toggle(name, label, onChange) {
  const box = element("input", { type: "checkbox", id: `switch-${name}`, onchange: () => onChange(box.checked) });
  return element("label", { className: "switch" }, box, label);
}

function amount(name, label, onChange) {
  const least = name === "batch" ? 1 : 0;
  const most = { batch: 100, delay_answers_s: 300, delay_webhooks_s: 300 }[name] ?? 1000000;
  const box = element("input", { type: "number", id: `amount-${name}`, min: least, max: most, value: String(least) });
  box.addEventListener("change", () => onChange(Math.min(most, Math.max(least, Number(box.value) || least))));
  return element("label", { className: "amount" }, label, box);
}
