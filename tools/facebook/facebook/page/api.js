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

const act = (name) => (who, body) => call("POST", at("customers", who, name), body);
export const answer = (who, reply_to, text) => act("say")(who, { text, reply_to });
export const edit = (who, mid, text) => act("edit")(who, { mid, text });
export const unsend = (who, mid) => act("unsend")(who, { mid });
export const react = (who, mid, emoji) => act("react")(who, { mid, emoji });
export const customerActs = act;

export const readRefusals = () => call("GET", "/box/refusals");
export const setFault = (change) => call("PATCH", "/box/faults", change);
export const clearFaults = () => call("DELETE", "/box/faults");
export const addRule = (rule) => call("POST", "/box/rules", rule);
export const removeRule = (id) => call("DELETE", `/box/rules/${id}`);
export const advance = (seconds) => call("POST", "/box/clock", { advance_s: seconds });
export const setClock = (ahead) => call("PUT", "/box/clock", { ahead_s: ahead });
export const setRegime = (page, body) => call("PUT", `/box/pages/${page}/regime`, body);
export const setSubscription = (page, body) => call("PUT", `/box/pages/${page}/subscriptions`, body);
export const changeCustomer = ({ page, psid }, body) => call("PATCH", `/box/customers/${psid}?page=${page}`, body);

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
