// Does with OpenAI's own client for Node what people do with it, and prints what came of it.
import OpenAI from "openai";

const [baseURL, question] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const asked = { model: "rag-agent", messages: [{ role: "user", content: question }] };

async function refusal(fields) {
  try {
    await client.chat.completions.create({ ...asked, ...fields });
  } catch (error) {
    const { status, code, param, type } = error;
    return { kind: error.constructor.name, status, code, param, type };
  }
}

async function streamed() {
  const options = { stream: true, stream_options: { include_usage: true } };
  const chunks = [];
  for await (const chunk of await client.chat.completions.create({ ...asked, ...options })) {
    chunks.push(chunk);
  }
  return {
    text: chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""),
    finish: chunks.at(-2).choices[0].finish_reason,
    told: chunks.at(-2).agentic_rag,
    usage: chunks.at(-1).usage,
  };
}

async function cancelled() {
  const stream = await client.chat.completions.create({ ...asked, stream: true });
  for await (const _ of stream) {
    stream.controller.abort();
    break;
  }
  return true;
}

const models = [];
for await (const model of client.models.list()) models.push(model.id);
const whole = await client.chat.completions.create(asked);
const unknown = await refusal({ model: "gpt-4o" });
const refused = await refusal({ n: 2 });
console.log(
  JSON.stringify({
    models,
    whole,
    unknown,
    refused,
    streamed: await streamed(),
    helped: await client.chat.completions.stream(asked).finalContent(),
    cancelled: await cancelled(),
  }),
);
