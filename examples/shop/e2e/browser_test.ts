/** The page in a real browser. With SCREENSHOT=FILE, keeps a picture of an order. */

import { assertEquals } from "@std/assert";
import { type Browser, chromium, type Page } from "playwright-core";
import { type RunningShop, startShop } from "./_shop.ts";

const executablePath = [
  Deno.env.get("CHROMIUM") ?? "",
  "/usr/bin/chromium",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
].find((path) => URL.canParse(`file:${path}`) && exists(path));
const ignore = !executablePath;
if (ignore) console.log("Skipped: no Chromium found; set CHROMIUM to its path");

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

let browser: Browser;
let shop: RunningShop;

if (!ignore) {
  Deno.test.beforeAll(async () => {
    shop = await startShop({ CANCEL_SECONDS: "5", STAGE_MS: "200" });
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  });
  Deno.test.afterAll(async () => {
    await browser?.close();
    await shop?.[Symbol.asyncDispose]();
  });
}

function test(name: string, fn: (page: Page) => Promise<void>) {
  Deno.test(name, { ignore }, async () => {
    const context = await browser.newContext({
      viewport: { width: 640, height: 420 },
    });
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    await page.goto(shop.url);
    await page.getByLabel("Name").fill("Ada");
    await page.getByLabel("Address").fill("Main Street 1");
    await fn(page);
    await context.close();
  });
}

/** Waits until the page shows a text as the order's state. */
async function shows(page: Page, text: string) {
  await page.locator("#status", { hasText: text }).waitFor();
}

test("a customer orders, and follows the order until it is delivered", async (page) => {
  await page.getByRole("button", { name: "Order" }).click();
  await shows(page, "Paid");
  await page.getByLabel("New address").fill("Side Street 2");
  await page.getByRole("button", { name: "Change address" }).click();
  await page.locator("#address", { hasText: "Side Street 2" }).waitFor();
  await shows(page, "On its way");
  const cancel = page.getByRole("button", { name: "Cancel" });
  assertEquals(await cancel.isDisabled(), true);
  const file = Deno.env.get("SCREENSHOT");
  if (file) await page.screenshot({ path: file });
  await shows(page, "Delivered");
});

test("a customer cancels an order", async (page) => {
  await page.getByRole("button", { name: "Order" }).click();
  await shows(page, "Paid");
  await page.getByRole("button", { name: "Cancel" }).click();
  await shows(page, "Canceled");
});

test("a customer sends the form twice, and has one order", async (page) => {
  const button = page.getByRole("button", { name: "Order" });
  await button.click();
  await page.waitForURL("**/orders/*");
  const first = page.url();
  await page.goBack();
  await button.click();
  await page.waitForURL("**/orders/*");
  assertEquals(page.url(), first);
});

test("a customer whose name is a script sees it as text", async (page) => {
  const name = `<script>document.title = "hacked"</script>`;
  await page.getByLabel("Name").fill(name);
  await page.getByRole("button", { name: "Order" }).click();
  await page.getByRole("heading", { name: `A book for ${name}` }).waitFor();
  await shows(page, "Paid");
  assertEquals(await page.title(), `A book for ${name}`);
});
