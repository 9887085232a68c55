/** A module that takes time to end. */

addEventListener("unload", () => {
  console.log("closing");
  setTimeout(() => console.log("closed"), 100);
});

/** An Activity. */
export async function listenForever(): Promise<void> {
  setInterval(() => {}, 1_000);
}
