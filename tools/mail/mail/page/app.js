// The page: a list that follows what comes in, and the mail that is open. Text of mails is only ever set as textContent;
// their HTML is shown in a sandboxed frame of its own.

const find = (id) => document.getElementById(id);
const WAIT = 20; // seconds a look for news may take
const PAUSE = 2000; // milliseconds before the next try when the catcher is away
const TOAST = 6000; // milliseconds a refusal stays

const now = { mails: [], open: null, part: "html", faults: {}, away: false };

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

async function call(method, path) {
  const response = await fetch(path, { method });
  if (!response.ok) {
    throw new Error(`The mail catcher answered ${response.status}.`);
  }
  return response.json();
}

const time = (at) => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

// -- drawing

function drawState() {
  const on = Object.entries(now.faults).filter(([name, value]) => name !== "fail_at" && (value.length ?? value));
  const named = on.map(([name, value]) => `${name.replaceAll("_", " ")} ${Array.isArray(value) ? value.join(", ") : value}`);
  const faults = named.length ? `Faults on: ${named.join("; ")}` : "";
  find("state").textContent = now.away ? "The mail catcher does not answer." : faults;
  find("state").className = now.away || faults ? "state bad" : "state";
  find("clear").disabled = now.mails.length === 0;
  find("list-title").textContent = `Mails (${now.mails.length})`;
}

function drawList() {
  const wanted = find("search").value.trim().toLowerCase();
  const shown = now.mails.filter((mail) => !wanted || `${mail.recipients} ${mail.subject}`.toLowerCase().includes(wanted));
  const focused = find("mails").contains(document.activeElement) ? document.activeElement.dataset.id : null;
  const none = wanted ? "No mail fits." : "No mail has come yet.";
  const rows = shown.toReversed().map(row);
  find("mails").replaceChildren(...(rows.length ? rows : [element("li", { className: "nobody", textContent: none })]));
  if (focused) {
    find("mails").querySelector(`[data-id="${focused}"]`)?.focus();
  }
}

function row(mail) {
  const button = element(
    "button",
    { type: "button", onclick: () => open(mail) },
    element("span", { className: "subject", textContent: mail.subject || "(no subject)", dir: "auto" }),
    element("time", { dateTime: mail.at, textContent: time(mail.at) }),
    element("span", { className: "to", textContent: `to ${mail.recipients.join(", ")}` }),
  );
  button.dataset.id = mail.id;
  if (mail.id === now.open?.id) {
    button.setAttribute("aria-current", "true");
  }
  return element("li", {}, button);
}

const facts = (pairs) =>
  pairs.flatMap(([name, value]) => [element("dt", { textContent: name }), element("dd", { textContent: value, dir: "auto" })]);

function drawMail() {
  const mail = now.open;
  find("none").hidden = Boolean(mail);
  find("letter").hidden = !mail;
  if (!mail) {
    find("html").removeAttribute("src");
    return;
  }
  find("subject").textContent = mail.subject || "(no subject)";
  find("facts").replaceChildren(
    ...facts([
      ["From", mail.from_header || mail.sender],
      ["To", mail.to_header || mail.recipients.join(", ")],
      ["Delivered to", mail.recipients.join(", ")],
      ["At", new Date(mail.at).toLocaleString()],
      ["Message-ID", mail.message_id ?? "none"],
    ]),
  );
  find("raw").href = `/mails/${mail.id}/raw`;
  find("text").replaceChildren(...linked(mail.text ?? ""));
  find("headers").replaceChildren(...facts(mail.headers));
  drawParts(mail);
}

function drawParts(mail) {
  const has = { html: mail.html !== null, text: mail.text !== null, headers: true };
  const part = has[now.part] ? now.part : has.html ? "html" : has.text ? "text" : "headers";
  for (const button of document.querySelectorAll("[data-part]")) {
    button.disabled = !has[button.dataset.part];
    button.setAttribute("aria-pressed", button.dataset.part === part);
  }
  for (const name of ["html", "text", "headers"]) {
    find(name).hidden = name !== part;
  }
  if (has.html && find("html").getAttribute("src") !== `/mails/${mail.id}/html`) {
    find("html").src = `/mails/${mail.id}/html`;
  }
}

/** The text, with web addresses as links. */
function linked(text) {
  return text
    .split(/(https?:\/\/[^\s<>"]+)/)
    .map((piece, index) =>
      index % 2 ? element("a", { textContent: piece, href: piece, target: "_blank", rel: "noopener noreferrer" }) : piece,
    );
}

function draw() {
  drawState();
  drawList();
}

// -- acting

function complain(text) {
  const toast = find("toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(complain.timer);
  complain.timer = setTimeout(() => (toast.hidden = true), TOAST);
}

function open(mail) {
  now.open = mail;
  document.body.dataset.view = "mail";
  drawMail();
  drawList();
  find("subject").focus({ preventScroll: true });
}

function back() {
  const id = now.open?.id;
  document.body.dataset.view = "list";
  find("mails").querySelector(`[data-id="${id}"]`)?.focus();
}

async function clear() {
  try {
    await call("DELETE", "/mails");
    take([]);
  } catch (error) {
    complain(error.message);
  }
}

function take(mails) {
  now.mails = mails;
  if (!mails.some((mail) => mail.id === now.open?.id)) {
    now.open = null;
    document.body.dataset.view = "list";
    drawMail();
  }
  draw();
}

/** Reads everything, then waits for what comes; deletions by others show with the next look. */
async function follow() {
  for (;;) {
    try {
      const all = await call("GET", "/mails");
      now.faults = await call("GET", "/faults");
      now.away = false;
      take(all.mails);
      await call("GET", `/mails?after=${all.last}&wait=${WAIT}&limit=1`);
    } catch {
      now.away = true;
      drawState();
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }
}

find("clear").addEventListener("click", clear);
find("back").addEventListener("click", back);
find("search").addEventListener("input", drawList);
for (const button of document.querySelectorAll("[data-part]")) {
  button.addEventListener("click", () => {
    now.part = button.dataset.part;
    drawParts(now.open);
  });
}
follow();
