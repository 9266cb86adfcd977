// Drawing: values in, elements out. Text of people is only ever set as textContent.

export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) {
      node[name] = value;
    } else {
      node.setAttribute(name, value);
    }
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** Makes the children of `list` those of `items`, in order; what did not change keeps its element and its focus. */
export function keep(list, items, keyOf, draw) {
  const known = new Map([...list.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, index) => {
    const key = String(keyOf(item));
    const look = JSON.stringify(item);
    let node = known.get(key);
    if (!node || node.dataset.look !== look) {
      const focused = node?.contains(document.activeElement);
      const fresh = draw(item);
      fresh.dataset.key = key;
      fresh.dataset.look = look;
      node?.remove();
      node = fresh;
      list.insertBefore(node, list.children[index] ?? null);
      if (focused) {
        node.querySelector("button")?.focus();
      }
    } else if (list.children[index] !== node) {
      list.insertBefore(node, list.children[index] ?? null);
    }
    known.delete(key);
  });
  known.forEach((node) => node.remove());
}

const clock = (at) => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

const isWeb = (address) => /^https?:\/\//.test(address ?? "");

function preview(last) {
  if (!last) {
    return "has not written yet";
  }
  return last.deleted ? "(unsent)" : last.text ?? `(${last.attachment_type ?? "message"})`;
}

export function person(view, chosen, onChoose) {
  const last = view.last;
  const button = element(
    "button",
    { type: "button", className: "person", onclick: () => onChoose(view) },
    element("img", { src: `/pictures/${view.psid}.svg?page=${view.page_id}`, alt: "" }),
    element(
      "span",
      { className: "text" },
      element(
        "span",
        { className: "who" },
        element("span", { className: "name", textContent: view.name, dir: "auto" }),
        last ? element("time", { dateTime: last.at, textContent: clock(last.at) }) : null,
      ),
      element("span", { className: "last", textContent: preview(last), dir: "auto" }),
    ),
  );
  if (chosen) {
    button.setAttribute("aria-current", "true");
  }
  return element("li", {}, button);
}

export const nobody = (text) => element("li", { className: "nobody", textContent: text });

function picture(line) {
  if (!isWeb(line.attachment_url)) {
    return line.attachment_type && !line.text && !line.deleted
      ? element("p", { className: "bubble", textContent: `(${line.attachment_type})` })
      : null;
  }
  if (["image", "sticker"].includes(line.attachment_type)) {
    return element("img", { src: line.attachment_url, alt: "Image", referrerPolicy: "no-referrer" });
  }
  return link(line.attachment_type, line.attachment_url);
}

const link = (text, href) => element("a", { textContent: text, href, target: "_blank", rel: "noopener noreferrer" });

function choices(line, onPress) {
  if (line.buttons.length === 0) {
    return null;
  }
  const drawn = line.buttons.map((choice) =>
    isWeb(choice.url)
      ? link(choice.title, choice.url)
      : element("button", {
          type: "button",
          textContent: choice.title,
          disabled: !onPress,
          onclick: () => onPress(choice),
        }),
  );
  return element("div", { className: "buttons" }, ...drawn);
}

function bubble(line) {
  if (line.deleted) {
    return element("p", { className: "bubble gone", textContent: "Message unsent" });
  }
  if (!line.text) {
    return null;
  }
  const style = line.buttons.length ? "bubble with-buttons" : "bubble";
  return element("p", { className: style, textContent: line.text, dir: "auto" });
}

function lineTools(tools) {
  if (!tools?.length) {
    return null;
  }
  const drawn = tools.map(([name, act]) => element("button", { type: "button", textContent: name, onclick: act }));
  return element("div", { className: "tools" }, ...drawn);
}

/** A line of the chat. `mine`: the reader said it. `author`: shown under the line. `tools`: names and acts. */
export function message(line, { mine, author, onPress, tools }) {
  const edited = line.edits ? "edited" : null;
  const meta = [author, clock(line.at), edited, line.reaction].filter(Boolean).join(" · ");
  return element(
    "li",
    { className: mine ? "line mine" : "line" },
    line.quoted ? element("p", { className: "quoted", textContent: line.quoted, dir: "auto" }) : null,
    bubble(line),
    picture(line),
    choices(line, onPress),
    element("p", { className: "meta", textContent: meta }),
    line.deleted ? null : lineTools(tools),
  );
}

export const notice = (line) => element("li", { className: "notice", textContent: `${line.text} · ${clock(line.at)}` });

export const typing = () =>
  element("li", { className: "line typing" }, element("p", { className: "bubble", textContent: "•••", title: "typing" }));

export const offer = (choice, onPick) =>
  element("button", { type: "button", textContent: choice.title, dir: "auto", onclick: () => onPick(choice) });

/** Calls `change` and keeps the log at its end when the reader was there. */
export function atEnd(log, change) {
  const wasAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  change();
  if (wasAtEnd) {
    log.scrollTop = log.scrollHeight;
  }
}
