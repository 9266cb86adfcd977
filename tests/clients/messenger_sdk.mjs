// What an app does that uses @warriorteam/messenger-sdk: prints what each call answered, and what it makes of webhooks.
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(path.join(process.env.NODE_PATH, "x"));
const sdk = await import(pathToFileURL(require.resolve("@warriorteam/messenger-sdk")));
const { Messenger, processWebhookEvents, verifyWebhookSignature, verifyWebhookSubscription } = sdk.default ?? sdk;

const { baseUrl, token, appSecret, verifyToken, page, psid, handshake, webhooks } = JSON.parse(process.argv[2]);
const messenger = new Messenger({ accessToken: token, version: "v26.0", baseUrl, maxRetries: 1 });
const recipient = { id: psid };
const buttons = [{ type: "postback", title: "Yes", payload: "YES" }];
const done = {};

const choices = [{ content_type: "text", title: "Lamp", payload: "LAMP" }];
done.text = await messenger.send.message({ recipient, messaging_type: "RESPONSE", message: { text: "Hello" } });
done.choices = await messenger.send.message({
  recipient,
  messaging_type: "RESPONSE",
  message: { text: "Choose", quick_replies: choices },
});
done.typing = await messenger.send.typingOn(psid);
done.buttons = await messenger.templates.button({ recipient, text: "What now?", buttons });
done.cards = await messenger.templates.generic({ recipient, elements: [{ title: "Lamp", subtitle: "bright", buttons }] });
done.upload = await messenger.attachments.upload({ type: "image", url: "https://pictures.example/lamp.png" });
done.picture = await messenger.send.attachment({ recipient, type: "image", attachment_id: done.upload.attachment_id });
done.reaction = await messenger.send.addReaction(psid, { messageId: done.text.message_id, emoji: "love" });
done.profile = await messenger.profile.getFull(psid);
done.conversation = await messenger.conversations.findByUser(page, psid, "messenger");
done.recent = await messenger.conversations.getRecentMessages(done.conversation);
done.error = await messenger.send
  .message({ recipient: { id: "404" }, messaging_type: "RESPONSE", message: { text: "x" } })
  .catch((error) => ({ name: error.name, code: error.code, subcode: error.subcode, status: error.statusCode }));

done.challenge = verifyWebhookSubscription(handshake, verifyToken);
done.signatures = [];
done.seen = [];
for (const { body, signature } of webhooks) {
  const result = await verifyWebhookSignature(body, signature, appSecret);
  const forged = await verifyWebhookSignature(`${body} `, signature, appSecret);
  done.signatures.push([result.isValid, forged.isValid]);
  await processWebhookEvents(JSON.parse(body), {
    onMessage: (event) => done.seen.push(["message", event.message.text]),
    onMessageEcho: (event) => done.seen.push(["echo", event.message.text ?? null]),
    onMessageEdit: (event) => done.seen.push(["edit", event.message_edit.text]),
    onMessageReaction: (event) => done.seen.push(["reaction", event.reaction.emoji]),
    onMessageRead: (event) => done.seen.push(["read", typeof event.read.watermark]),
    onMessagingPostback: (event) => done.seen.push(["postback", event.postback.payload]),
  });
}
console.log(JSON.stringify(done));
