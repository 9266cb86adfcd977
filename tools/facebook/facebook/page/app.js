// The page: what is chosen, what is shown, and what a click does. The box tells by its event stream when to look again.

import * as api from "./api.js";
import { drawControls, startControls } from "./controls.js";
import { atEnd, element, keep, message, nobody, notice, offer, person, typing } from "./draw.js";

const find = (id) => document.getElementById(id);
const PAGE_INBOX = "263902037430900";
const TOAST = 6000; // milliseconds a refusal stays

const now = { state: null, page: null, views: [], psid: null, transcript: null, folder: "main", about: null };

const who = () => ({ page: now.page.id, psid: now.psid });
const chosen = () => now.views.find((view) => view.psid === now.psid);

function appName(id) {
  if (id === null) {
    return "Nobody (idle)";
  }
  if (id === "413038776280800") {
    return "Lead ad questions";
  }
  return now.state.apps.find((app) => app.id === id)?.name ?? (id === PAGE_INBOX ? "Page Inbox" : id);
}

// -- drawing

function drawState() {
  const apps = now.state.apps.map((app) => {
    const waiting = app.waiting ? `, ${app.waiting} waiting` : "";
    if (app.verified === false) {
      return element("span", { className: "bad", textContent: `${app.name}: webhook ${app.detail}${waiting}` });
    }
    const word = app.failing ? "webhook failing" : "webhook answers";
    return element("span", { className: app.failing ? "bad" : "good", textContent: `${app.name}: ${word}${waiting}` });
  });
  const on = Object.entries(now.state.faults_of_page[now.page?.id] ?? now.state.faults)
    .filter(([name, value]) => isOn(name, value))
    .map(([name]) => name.replaceAll("_", " "));
  if (now.state.rules.some((rule) => !rule.is_spent)) {
    on.push("calls refused by rule");
  }
  const faults = on.length ? [element("span", { className: "bad", textContent: `Faults on: ${on.join(", ")}` })] : [];
  find("state").replaceChildren(...apps, ...faults);
}

function isOn(name, value) {
  if (["only", "regain_access_min"].includes(name)) {
    return false;
  }
  return name === "batch" ? value > 1 : Boolean(value?.times ?? value);
}

function drawPages() {
  find("page-choice").hidden = now.state.pages.length < 2;
  find("pages").replaceChildren(
    ...now.state.pages.map((page) => element("option", { value: page.id, textContent: page.name })),
  );
  find("pages").value = now.page?.id ?? "";
  find("inbox-title").textContent = now.page ? `Page Inbox of ${now.page.name}` : "Page Inbox";
  find("inbox-sub").textContent = now.page?.inbox_is_receiver
    ? "You work as the page's staff here."
    : "Not a receiver: everything is in Main, no thread control.";
}

function drawPeople() {
  const draw = (view) => (view.psid ? person(view, view.chosen, choose) : nobody(view.none));
  const marked = now.views.map((view) => ({ ...view, chosen: view.psid === now.psid }));
  keep(find("customers"), orNobody(marked, "This page has no customers."), keyOf, draw);
  const inFolder = marked.filter((view) => view.last && view.folder === now.folder);
  const none = `No conversation in ${now.folder === "main" ? "Main" : "Done"}.`;
  keep(find("folder"), orNobody(inFolder, none), keyOf, draw);
  for (const button of document.querySelectorAll("[data-folder]")) {
    const count = now.views.filter((view) => view.last && view.folder === button.dataset.folder).length;
    button.querySelector(".count").textContent = count;
    button.setAttribute("aria-pressed", button.dataset.folder === now.folder);
  }
}

const keyOf = (view) => view.psid ?? "none";
const orNobody = (views, none) => (views.length ? views : [{ none }]);

function drawConversation() {
  const view = chosen();
  const able = Boolean(view);
  for (const control of document.querySelectorAll(".composer input, .composer button")) {
    control.disabled = !able;
  }
  drawAbout();
  if (!able) {
    return;
  }
  find("chat-title").textContent = view.name;
  find("chat-label").textContent = `Message as ${view.name}`;
  find("chat-sub").textContent = view.window_open
    ? "You write as this customer. The page may answer for 24 hours."
    : "You write as this customer. The page may not write first: its 24 hours are over.";
  drawChat(view);
  drawInbox(view);
}

function drawChat(view) {
  const lines = now.transcript.lines.filter((line) => line.side !== "notice").map(withQuote);
  const log = find("chat-log");
  atEnd(log, () => {
    keep(log, [...lines, ...(view.typing ? [{ typing: true }] : [])], lineKey, (line) =>
      line.typing
        ? typing()
        : message(line, {
            mine: line.side === "customer",
            author: line.persona,
            onPress: (choice) => act(api.press(who(), choice)),
            tools: toolsOf(line),
          }),
    );
    keep(find("offers"), view.quick_replies, (choice) => choice.title + choice.payload, (choice) =>
      offer(choice, () => act(api.pick(who(), choice))),
    );
  });
}

const textOf = (line) => line?.text ?? (line?.attachment_type ? `(${line.attachment_type})` : "a message");

function withQuote(line) {
  const quoted = line.reply_to && now.transcript.lines.find((other) => other.mid === line.reply_to);
  return line.reply_to ? { ...line, quoted: textOf(quoted) } : line;
}

/** What the customer can do with a message. */
function toolsOf(line) {
  const start = (kind) => () => {
    now.about = { kind, line };
    find("chat-text").value = kind === "edit" ? line.text ?? "" : "";
    drawAbout();
    find("chat-text").focus();
  };
  const reply = ["Reply", start("reply")];
  if (line.side === "customer") {
    const edit = line.text ? [["Edit", start("edit")]] : [];
    return [reply, ...edit, ["Unsend", () => act(api.unsend(who(), line.mid))]];
  }
  const emoji = line.reaction ? null : "\u2764";
  return [reply, [line.reaction ? "Take back" : "React", () => act(api.react(who(), line.mid, emoji))]];
}

/** What the composer is about: an answer to a message, or an edit of one. */
function drawAbout() {
  find("about").hidden = now.about === null;
  if (now.about) {
    const doing = now.about.kind === "edit" ? "Editing" : "Replying to";
    find("about-text").textContent = `${doing}: ${textOf(now.about.line)}`;
  }
}

function endAbout() {
  now.about = null;
  drawAbout();
}

async function sayAsCustomer(person, text) {
  const about = now.about;
  if (about === null) {
    return api.say(person, text);
  }
  const done = await (about.kind === "edit" ? api.edit : api.answer)(person, about.line.mid, text);
  endAbout();
  return done;
}

function drawInbox(view) {
  const log = find("inbox-log");
  atEnd(log, () => {
    drawOwner(view);
    keep(log, now.transcript.lines.map(withQuote), lineKey, (line) =>
      line.side === "notice" ? notice(line) : message(line, { mine: line.side !== "customer", author: author(line) }),
    );
  });
}

function drawOwner(view) {
  const end = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  const until = view.expires_at ? `until ${new Date(view.expires_at).toLocaleString([], end)}` : "";
  find("owner").replaceChildren(
    element("b", { textContent: `Held by ${appName(view.owner)}` }),
    view.owner ? until : idle(),
  );
  const movable = now.page.inbox_is_receiver && Boolean(view.last);
  find("to-main").disabled = !movable || view.owner === PAGE_INBOX;
  find("to-done").disabled = !movable || view.owner !== PAGE_INBOX;
}

const idle = () =>
  now.page.default_app ? `${appName(now.page.default_app)} gets the next message.` : "Every app may answer.";

function author(line) {
  if (line.side === "customer") {
    return chosen().name;
  }
  const name = line.side === "inbox" ? "Staff" : appName(line.app_id);
  return line.persona ? `${line.persona} (${name})` : name;
}

const lineKey = (line) => (line.typing ? "typing" : line.mid ?? line.at + line.text);

// -- reading

async function refresh() {
  now.state = await api.readState();
  now.page = now.state.pages.find((page) => page.id === now.page?.id) ?? now.state.pages[0] ?? null;
  const before = chosen()?.folder;
  now.views = now.page ? (await api.readConversations(now.page.id)).conversations : [];
  if (!chosen()) {
    now.psid = now.views[0]?.psid ?? null;
  }
  now.transcript = now.psid ? await api.readTranscript(who()) : null;
  // The folder shown follows the chosen conversation when it moves.
  if (chosen() && chosen().folder !== before) {
    now.folder = chosen().folder;
  }
  drawState();
  drawPages();
  drawPeople();
  drawConversation();
  drawControls(now, appName);
}

let reading = null;
let again = false;

/** Many events in a row lead to one reading after the one under way. */
function refreshSoon() {
  again = true;
  reading ??= (async () => {
    while (again) {
      again = false;
      await refresh().catch((error) => complain(error.message));
    }
    reading = null;
  })();
  return reading;
}

// -- acting

function complain(text) {
  const toast = find("toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(complain.timer);
  complain.timer = setTimeout(() => (toast.hidden = true), TOAST);
}

async function act(promise) {
  try {
    await promise;
    await refreshSoon();
    return true;
  } catch (error) {
    complain(error.message);
    return false;
  }
}

function choose(view) {
  now.psid = view.psid;
  endAbout();
  now.folder = view.folder;
  find("chat-log").replaceChildren();
  find("inbox-log").replaceChildren();
  if (document.body.dataset.view === "customers") {
    show("chat");
  }
  refreshSoon();
}

function show(part) {
  document.body.dataset.view = part;
  for (const button of document.querySelectorAll("[data-show]")) {
    button.setAttribute("aria-pressed", button.dataset.show === part);
  }
  // A log that was not shown has no height to keep its end by.
  for (const log of document.querySelectorAll(".log")) {
    log.scrollTop = log.scrollHeight;
  }
}

function onSubmit(id, send) {
  find(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    const input = event.target.elements.text;
    const text = input.value.trim();
    if (text && (await act(send(who(), text)))) {
      input.value = "";
    }
  });
}

onSubmit("chat-form", sayAsCustomer);
onSubmit("inbox-form", api.reply);
find("to-main").addEventListener("click", () => act(api.moveToMain(who())));
find("to-done").addEventListener("click", () => act(api.moveToDone(who())));
find("pages").addEventListener("change", (event) => {
  now.page = now.state.pages.find((page) => page.id === event.target.value);
  now.psid = null;
  refreshSoon();
});
for (const button of document.querySelectorAll("[data-show]")) {
  button.addEventListener("click", () => show(button.dataset.show));
}
for (const button of document.querySelectorAll("button[data-left]")) {
  button.addEventListener("click", () => {
    document.body.dataset.left = button.dataset.left;
    document.querySelector(`.${button.dataset.left} button[data-left]`).focus();
  });
}
function cancelAbout() {
  endAbout();
  find("chat-text").value = "";
  find("chat-text").focus();
}

find("about-off").addEventListener("click", cancelAbout);
find("chat-text").addEventListener("keydown", (event) => {
  if (event.key === "Escape" && now.about) {
    cancelAbout();
  }
});
for (const button of document.querySelectorAll("[data-folder]")) {
  button.addEventListener("click", () => {
    now.folder = button.dataset.folder;
    drawPeople();
  });
}

await startControls(now, who, act);
await refreshSoon();
api.listen(now.state?.last_seq ?? 0, refreshSoon, refreshSoon);
