/**
 * The program that reads files for a process that may not. For each line on stdin,
 * the path of a file as JSON, it writes a {@linkcode FileAnswer} as JSON to stdout.
 *
 * @module
 */

/** The text of a file, or why it cannot be read. */
export type FileAnswer = { text: string } | { code: string; reason: string };

function read(path: string): FileAnswer {
  try {
    return { text: Deno.readTextFileSync(path) };
  } catch (error) {
    const { code = "", message } = error as Error & { code?: string };
    return { code, reason: message.replace(/ \(os error .*/s, "") };
  }
}

if (import.meta.main) {
  let input = "";
  const chunks = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
  for await (const chunk of chunks) {
    const lines = (input + chunk).split("\n");
    input = lines.pop()!;
    for (const line of lines) {
      console.log(JSON.stringify(read(JSON.parse(line))));
    }
  }
}
