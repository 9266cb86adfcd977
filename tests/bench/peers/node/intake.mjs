// A webhook's intake as one would write it in Node: fastify and kafkajs. The signature is checked over the raw body, the JSON is
// parsed, one record an event is sent, and 200 is answered when the broker's acks=all has come.
import { createHmac, timingSafeEqual } from "node:crypto";
import Fastify from "fastify";
import { CompressionTypes, Kafka, logLevel, Partitioners } from "kafkajs";

const { CONVOBOSS_KAFKA_BOOTSTRAP: brokers, CONVOBOSS_HTTP_PORT: port, BENCH_SECRET: secret } = process.env;
const TOPIC = "conversations";

const kafka = new Kafka({ clientId: "bench-node", brokers: brokers.split(","), logLevel: logLevel.ERROR });
const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: false });
await producer.connect();

function isSigned(body, header) {
  const told = Buffer.from((header ?? "").replace(/^sha256=/, ""), "hex");
  const found = createHmac("sha256", secret).update(body).digest();
  return told.length === found.length && timingSafeEqual(told, found);
}

function records(webhook) {
  return webhook.entry.flatMap((entry) =>
    entry.messaging.map((event) => ({
      key: `messenger:${entry.id}:${event.sender.id}`,
      value: JSON.stringify({ ...event, id: `messenger:${entry.id}:${event.message.mid}` }),
      headers: { "content-type": "application/json", ce_type: "customer.message.v1", ce_source: "node" },
    })),
  );
}

const app = Fastify();
app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
app.get("/readyz", async () => ({ ready: true }));
app.post("/webhooks/messenger", async (request, reply) => {
  if (!isSigned(request.body, request.headers["x-hub-signature-256"])) return reply.code(401).send({ error: "bad_signature" });
  const messages = records(JSON.parse(request.body));
  await producer.send({ topic: TOPIC, acks: -1, compression: CompressionTypes.None, messages });
  return { received: messages.length };
});

process.on("SIGTERM", () => process.exit(0));
await app.listen({ host: "127.0.0.1", port: Number(port) });
