// What an app does that uses messaging-api-messenger: prints what each call answered, as JSON.
const { MessengerClient } = require("messaging-api-messenger");

const { origin, token, appId, appSecret, callback, verifyToken, psid } = JSON.parse(process.argv[2]);
const client = new MessengerClient({ accessToken: token, appId, appSecret, version: "26.0", origin });
const buttons = [
  { type: "postback", title: "Yes", payload: "YES" },
  { type: "web_url", title: "Shop", url: "https://shop.example/" },
];
const refused = async (call) => {
  try {
    await call();
    return null;
  } catch (error) {
    return { message: error.message, status: error.response?.status, error: error.response?.data?.error };
  }
};

const steps = {
  page: () => client.getPageInfo(),
  profile: () => client.getUserProfile(psid),
  text: () => client.sendText(psid, "Hello from messaging-api-messenger", { messagingType: "RESPONSE" }),
  choices: () =>
    client.sendText(psid, "Choose", {
      quickReplies: [
        { contentType: "text", title: "Lamp", payload: "LAMP" },
        { contentType: "user_email" },
      ],
    }),
  buttons: () => client.sendButtonTemplate(psid, "What now?", buttons),
  cards: () => client.sendGenericTemplate(psid, [{ title: "Lamp", subtitle: "bright", buttons }]),
  image: () => client.sendImage(psid, "https://pictures.example/lamp.png"),
  upload: () => client.uploadImage("https://pictures.example/lamp.png", { isReusable: true }),
  typing: () => client.typingOn(psid),
  seen: () => client.markSeen(psid),
  persona: () => client.createPersona({ name: "Noor", profilePictureUrl: "https://pictures.example/noor.png" }),
  named: (done) => client.sendText(psid, "It is me", { personaId: done.persona.id }),
  owner: () => client.getThreadOwner(psid),
  receivers: () => client.getSecondaryReceivers(),
  pass: () => client.passThreadControlToPageInbox(psid, "to a person"),
  notOwner: () => refused(() => client.sendText(psid, "too late")),
  take: () => client.takeThreadControl(psid, "back"),
  again: () => client.sendText(psid, "Here I am again"),
  request: () => refused(() => client.requestThreadControl(psid)),
  tooLong: () => refused(() => client.sendText(psid, "x".repeat(2001))),
  subscribe: () => client.createSubscription({ callbackUrl: callback, verifyToken, fields: ["messages", "standby"] }),
  subscription: () => client.getPageSubscription(),
  personas: () => client.getAllPersonas(),
  deleted: (done) => client.deletePersona(done.persona.id),
};

(async () => {
  const done = {};
  for (const [name, step] of Object.entries(steps)) {
    done[name] = await step(done).catch((error) => {
      throw new Error(`${name}: ${error.message}`);
    });
  }
  console.log(JSON.stringify(done));
})();
