// An HTTP server that plays a script: one function per request, in order; it keeps what it was asked.

import { createServer } from "node:http";

/** Start it for one test. `asked`: each request with its headers and its body. */
export async function scripted(t, ...answers) {
  const asked = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      return; // the caller has gone
    }
    asked.push({ method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(chunks) });
    const answer = answers.shift();
    if (answer) await answer(response, request);
    else problem(500, "internal")(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => new Promise((resolve) => (server.close(resolve), server.closeAllConnections())));
  return { baseUrl: `http://127.0.0.1:${server.address().port}`, asked };
}

export const json = (status, body, headers = {}) => (response) => {
  response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
};

export const problem = (status, code, headers = {}) =>
  json(status, { code, title: code, detail: code, status, retryable: true, request_id: "r1", errors: [] }, headers);

/** Break the connection without a word. */
export const broken = (response) => response.destroy();

/** Write a part, then break (or end). */
export const part = (status, headers, body, { ends = false } = {}) => (response) => {
  response.writeHead(status, headers);
  response.write(body, () => (ends ? response.end() : setTimeout(() => response.destroy(), 20)));
};
