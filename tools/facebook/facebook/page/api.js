// The control API of the box. Every function returns the parsed answer or throws an Error with the box's sentence.

async function call(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await fetch(path, options);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new Error(answer.error?.message ?? `The box answered ${response.status}.`);
  }
  return answer;
}

const at = (kind, { page, psid }, act) => `/box/${kind}/${psid}/${act}?page=${page}`;

export const readState = () => call("GET", "/box/state");
export const readConversations = (page) => call("GET", `/box/conversations?page=${page}`);
export const readTranscript = ({ page, psid }) => call("GET", `/box/conversations/${page}/${psid}`);
export const say = (who, text) => call("POST", at("customers", who, "say"), { text });
export const pick = (who, choice) =>
  call("POST", at("customers", who, "quick_reply"), { title: choice.title, payload: choice.payload });
export const press = (who, choice) =>
  call("POST", at("customers", who, "postback"), { title: choice.title, payload: choice.payload });
export const reply = (who, text) => call("POST", at("inbox", who, "reply"), { text });
export const moveToMain = (who) => call("POST", at("inbox", who, "move_to_main"), {});
export const moveToDone = (who) => call("POST", at("inbox", who, "move_to_done"), {});

export function listen(after, onNews, onReconnect) {
  const source = new EventSource(`/box/events?after=${after}`);
  let opened = false;
  source.addEventListener("open", () => {
    if (opened) {
      onReconnect();
    }
    opened = true;
  });
  source.addEventListener("message", (event) => onNews(JSON.parse(event.data)));
}
