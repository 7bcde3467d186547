// chromium.mjs - a page in a real Chromium, looked at and used over its DevTools pipe.
//
//   const browser = await openBrowser();
//   const page = await browser.open('http://127.0.0.1:8481/');
//   await page.until('the heading is there', () => document.querySelector('h1'));
//   await page.press('Tab');
//   await browser.close();
//
// A page keeps what went wrong on it: page.complaints (errors on the console, exceptions, violations of its
// Content-Security-Policy) and page.requests (every address it asked for).
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './lib.mjs';

const KEYS = {
  Tab: [9], Enter: [13, '\r'], Escape: [27], ' ': [32, ' '], ArrowDown: [40], ArrowUp: [38], ArrowLeft: [37], ArrowRight: [39], Home: [36],
};

class Page {
  constructor(browser, session) {
    Object.assign(this, { browser, session, complaints: [], requests: [] });
  }

  send(method, params = {}) { return this.browser.send(method, params, this.session); }

  async begin() {
    this.browser.listeners.set(this.session, (method, params) => this.heard(method, params));
    for (const domain of ['Page', 'Runtime', 'Network', 'Log']) await this.send(`${domain}.enable`);
    await this.send('Page.addScriptToEvaluateOnNewDocument', { source:
      `addEventListener('securitypolicyviolation', (event) => console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI));` });
    return this;
  }

  heard(method, params) {
    if (method === 'Runtime.exceptionThrown') this.complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === 'Runtime.consoleAPICalled' && ['error', 'warning', 'assert'].includes(params.type))
      this.complaints.push(params.args.map((arg) => arg.value ?? arg.description).join(' '));
    if (method === 'Log.entryAdded' && ['error', 'warning'].includes(params.entry.level))
      this.complaints.push(`${params.entry.text} ${params.entry.url ?? ''}`);
    if (method === 'Network.requestWillBeSent') this.requests.push(params.request.url);
    if (method === 'Page.javascriptDialogOpening') this.send('Page.handleJavaScriptDialog', { accept: true });
  }

  /** In the page; what it answers comes back as JSON would have it. */
  async run(work, ...args) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', {
      expression: `(${work})(...${JSON.stringify(args)})`, awaitPromise: true, returnByValue: true, userGesture: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Wait for a condition in the page; it is asked there, as often as the page has a moment. */
  async until(what, work, ...args) {
    const look = `async (...args) => {
      for (let i = 0; i < 200; i++) {
        const answer = await (${work})(...args);
        if (answer) return answer;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return null;
    }`;
    // Where it goes somewhere else meanwhile, there is nobody left to answer.
    const moved = (error) => {
      if (/navigated|context|Cannot find/i.test(error.message)) return null;
      throw error;
    };
    try {
      return await until(what, () => this.run(look, ...args).catch(moved));
    } catch (error) {
      error.message += `\n${await this.run(() => `${location.href}\n${document.body.innerText.slice(0, 1500)}`)}\n${this.complaints.join('\n')}`;
      throw error;
    }
  }

  async press(key, { shift = false } = {}) {
    const [code, text] = KEYS[key];
    const common = { key, code: key === ' ' ? 'Space' : key, windowsVirtualKeyCode: code, modifiers: shift ? 8 : 0 };
    await this.send('Input.dispatchKeyEvent', { type: text ? 'keyDown' : 'rawKeyDown', text, ...common });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...common });
  }

  /** As a keyboard or the clipboard would put it where the focus is. */
  type(text) { return this.send('Input.insertText', { text }); }

  async resize(width, height = 900) {
    await this.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
  }

  async media(features) {
    await this.send('Emulation.setEmulatedMedia', { features: Object.entries(features).map(([name, value]) => ({ name, value })) });
  }

  /** The whole page as FOLDER/NAME.png; without a folder nothing is done. */
  async picture(name, folder = process.env.TMAKV_SCREENSHOTS) {
    if (!folder) return;
    mkdirSync(folder, { recursive: true });
    const { cssContentSize: { width, height } } = await this.send('Page.getLayoutMetrics');
    const { data } = await this.send('Page.captureScreenshot', { captureBeyondViewport: true,
      clip: { x: 0, y: 0, width, height: Math.min(height, 4000), scale: 1 } });
    writeFileSync(join(folder, `${name}.png`), Buffer.from(data, 'base64'));
  }

  /** What a screen reader is told: [{ role, name, ... }], without what is ignored. */
  async tree() {
    await this.send('Accessibility.enable');
    const { nodes } = await this.send('Accessibility.getFullAXTree');
    await this.send('Accessibility.disable');
    return nodes.filter((node) => !node.ignored).map((node) => ({ role: node.role?.value, name: node.name?.value ?? '',
      ...Object.fromEntries((node.properties ?? []).map(({ name, value }) => [name, value.value])) }));
  }
}

class Browser {
  constructor() {
    this.profile = mkdtempSync('/tmp/tmakv-page.');
    this.child = spawn(process.env.CHROMIUM ?? 'chromium', ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
      '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking', '--disable-component-update',
      '--disable-sync', '--hide-scrollbars', '--force-color-profile=srgb', `--user-data-dir=${this.profile}`,
      '--remote-debugging-pipe', 'about:blank'],
    { stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'], detached: true, env: { ...process.env, TMPDIR: this.profile } });
    this.noise = '';
    this.child.stderr.on('data', (chunk) => { this.noise += chunk; });
    this.waiting = new Map();
    this.listeners = new Map();
    this.last = 0;
    let text = '';
    this.child.stdio[4].setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
      const messages = text.split('\0');
      text = messages.pop();
      messages.forEach((message) => this.heard(JSON.parse(message)));
    });
    const ended = (why) => {
      this.waiting.forEach(({ reject }) => reject(new Error(`Chromium ended: ${why}\n${this.noise.slice(-2000)}`)));
      this.waiting.clear();
    };
    this.child.once('error', ended);
    this.child.once('exit', ended);
    this.child.stdio[3].on('error', () => {});
  }

  heard({ id, error, result, method, params, sessionId }) {
    if (id === undefined) {
      this.listeners.get(sessionId)?.(method, params);
      return;
    }
    const { resolve, reject } = this.waiting.get(id) ?? {};
    this.waiting.delete(id);
    if (error) reject?.(new Error(`${error.message} ${error.data ?? ''}`));
    else resolve?.(result);
  }

  send(method, params = {}, sessionId = undefined) {
    return new Promise((resolve, reject) => {
      const id = ++this.last;
      this.waiting.set(id, { resolve, reject });
      this.child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** A window of its own, which shares nothing with others. */
  async open(url) {
    const { browserContextId } = await this.send('Target.createBrowserContext');
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank', browserContextId });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const page = await new Page(this, sessionId).begin();
    await page.send('Page.navigate', { url });
    return page;
  }

  /** With all of its processes, which write into the profile until they are gone. */
  async close() {
    await until('Chromium is gone', () => {
      try {
        return !process.kill(-this.child.pid, 'SIGKILL');
      } catch {
        return true;
      }
    });
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

export async function openBrowser() {
  const browser = new Browser();
  try {
    await browser.send('Browser.getVersion');
    return browser;
  } catch (error) {
    await browser.close();
    throw error;
  }
}
