import type { TestContext } from 'node:test';
import { type Browser, type Page, chromium as playwright } from 'playwright-core';
import { chromium } from './tools.ts';

/** Without them Chromium asks its maker for this and that. */
const quiet = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Chromium, without a window. */
export function launchBrowser(): Promise<Browser> {
  return playwright.launch({ executablePath: chromium, args: quiet });
}

/** Chromium, until the test ends. */
export async function openBrowser(t: TestContext): Promise<Browser> {
  const browser = await launchBrowser();
  t.after(() => browser.close());
  return browser;
}

/** Writes down what goes wrong in a page, and what it asks for elsewhere. */
export function watch(page: Page, isOwn: (url: string) => boolean): string[] {
  const faults: string[] = [];
  page.on('console', (message) => faults.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss().catch(() => {});
  });
  page.on('request', (request) => {
    if (!isOwn(request.url()) && !request.url().startsWith('data:')) faults.push(`request: ${request.url()}`);
  });
  return faults;
}
