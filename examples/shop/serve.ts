/** Serves HTTP until the process ends, and says where, or why it cannot. */
export function serve(
  name: string,
  { variable, port }: { variable: string; port: number },
  handler: Deno.ServeHandler,
): void {
  const hostname = Deno.env.get("HOST") || "127.0.0.1";
  port = Number(Deno.env.get(variable) || port);
  const onListen = () => console.log(`${name} at http://${hostname}:${port}`);
  try {
    Deno.serve({ hostname, port, onListen }, handler);
  } catch (error) {
    console.error(`Cannot listen on port ${port}: ${error}; set ${variable}`);
    Deno.exit(1);
  }
}
