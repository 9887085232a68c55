/** What the web process and the payment service need of HTTP. */

const MAX_FORM_BYTES = 10_000;

/** Serves HTTP until the process ends, and says where, or why it cannot. */
export function serve(name: string, port: number, handler: Deno.ServeHandler) {
  const hostname = Deno.env.get("HOST") || "127.0.0.1";
  const onListen = () => console.log(`${name} at http://${hostname}:${port}`);
  try {
    Deno.serve({ hostname, port, onListen }, handler);
  } catch (error) {
    console.error(
      `Cannot listen on port ${port}: ${error}; README.md says how to change it`,
    );
    Deno.exit(1);
  }
}

/** Answers a request of the shop's page. */
export function reply(
  body: string | ReadableStream,
  type: string,
  status = 200,
): Response {
  const headers = {
    // Not "no-store": the form that "Back" shows has the number that it had.
    "cache-control": "private, no-cache",
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'",
    "content-type": `text/${type}; charset=utf-8`,
    "x-content-type-options": "nosniff",
  };
  return new Response(body, { status, headers });
}

/** Ends a request by throwing its answer, one line. */
export function refuse(status: number, message: string): never {
  throw reply(`${message}\n`, "plain", status);
}

/** What a field of a form must match, and how that is called. */
export type Rule = [pattern: RegExp, description: string];

/** Reads a form of the shop's own pages. */
export async function readForm<Name extends string>(
  request: Request,
  rules: Record<Name, Rule>,
): Promise<Record<Name, string>> {
  const header = (name: string) => request.headers.get(name) ?? "";
  const origin = header("origin");
  if (origin && URL.parse(origin)?.host !== header("host")) {
    refuse(403, "The form is not from this shop");
  }
  if (!header("content-type").startsWith("application/x-www-form-urlencoded")) {
    refuse(415, "A form was expected");
  }
  // Without a length, the body could have any.
  if (!(Number(header("content-length") || NaN) <= MAX_FORM_BYTES)) {
    refuse(413, "The form is too long");
  }
  const form = new URLSearchParams(await request.text());
  const entries = Object.entries<Rule>(rules).map(([name, rule]) => {
    const [pattern, description] = rule;
    const value = form.get(name)?.trim() ?? "";
    if (pattern.test(value)) return [name, value];
    return refuse(400, `Cannot use "${name}": it must be ${description}`);
  });
  return Object.fromEntries(entries);
}
