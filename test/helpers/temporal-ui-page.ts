import type { Browser, Locator, Page, Request } from 'playwright-core';
import { uiLink } from '../../bridge/observe/ui-link.js';

/** What the page asked of the server when its Reset button was pressed. */
export interface SentReset {
  readonly workflowId: string;
  readonly runId: string;
  /** The event that was chosen. */
  readonly eventId: string;
  readonly reason: string;
  /** Of the answer: the run that the Reset made. */
  readonly newRunId: string;
}

/** Temporal's UI as somebody on call uses it: by its texts, its buttons and nothing else. */
export class TemporalUiPage implements AsyncDisposable {
  readonly page: Page;
  readonly #url: string;
  readonly #namespace: string;
  readonly #writes: Request[] = [];

  private constructor(page: Page, url: string, namespace: string) {
    this.page = page;
    this.#url = url;
    this.#namespace = namespace;
    page.on('request', (request) => {
      if (request.method() !== 'GET') this.#writes.push(request);
    });
  }

  static async open(browser: Browser, url: string, namespace: string): Promise<TemporalUiPage> {
    const page = await browser.newPage({ viewport: { width: 1400, height: 1000 } });
    page.setDefaultTimeout(20_000);
    return new TemporalUiPage(page, url, namespace);
  }

  /** Every request of the page that changes something, as `METHOD path`. */
  get writes(): readonly string[] {
    return this.#writes.map((request) => `${request.method()} ${new URL(request.url()).pathname}`);
  }

  /** The list of executions, searched. */
  async list(query: string): Promise<void> {
    await this.page.goto(`${uiLink(this.#url, this.#namespace)}?query=${encodeURIComponent(query)}`);
  }

  /** Adds columns to the list, by its own dialog. @returns what stands in them, row by row */
  async columns(names: readonly string[]): Promise<readonly (readonly string[])[]> {
    await this.page.getByTestId('workflows-summary-table-configuration-button').click();
    for (const name of names) await this.page.getByTestId(`orderable-list-item-${name}-add-button`).click();
    await this.page.getByTestId('drawer-close-button').click();
    const headers = await this.page.locator('th').allInnerTexts();
    const at = names.map((name) => headers.findIndex((header) => header.trim() === name));
    const rows = await this.page.locator('tbody tr').all();
    return Promise.all(
      rows.map(async (row) => {
        const cells = await row.locator('td').allInnerTexts();
        return at.map((index) => cells[index]?.trim() ?? '');
      }),
    );
  }

  /** Clicks an execution in the list. */
  async follow(workflowId: string): Promise<void> {
    await this.page.getByRole('link', { name: workflowId, exact: true }).first().click();
    await this.page.getByTestId('workflow-id-heading').waitFor();
  }

  /** What the page's tab for it shows: the line and the details that the execution was started with, rendered. */
  async metadata(): Promise<{ readonly summary: string; readonly details: string }> {
    await this.page.getByTestId('user-metadata-tab').click();
    const summary = this.page.locator('iframe#user-metadata-summary:visible');
    await summary.waitFor();
    const details = this.page.locator('iframe#user-metadata-details:visible');
    const shown = async (frame: Locator): Promise<string> =>
      (await frame.contentFrame().locator('main').innerText()).trim();
    return {
      summary: await shown(summary),
      details: (await details.count()) === 0 ? '' : await shown(details),
    };
  }

  /** Opens the Reset dialog. @returns the events that it offers, in its order */
  async openReset(): Promise<readonly string[]> {
    // Of a closed execution it stands on the page itself; a running one's is in a menu.
    await this.page.getByRole('button', { name: 'Reset', exact: true }).click();
    await this.#dialog.getByTestId('workflow-reset-event-id-select-button').click();
    await this.#dialog.getByRole('option').first().waitFor(); // it fades in
    return (await this.#dialog.getByRole('option').allInnerTexts()).map((text) => text.trim());
  }

  /** Chooses an event that is offered, gives the reason, and confirms. */
  async reset(offered: string, reason: string): Promise<SentReset> {
    const dialog = this.#dialog;
    await dialog.getByRole('option', { name: offered, exact: true }).click();
    await dialog.getByTestId('reset-reason').fill(reason);
    const [response] = await Promise.all([
      this.page.waitForResponse(
        (one) => one.request().method() === 'POST' && new URL(one.url()).pathname.endsWith('/reset'),
      ),
      dialog.getByRole('button', { name: 'Confirm' }).click(),
    ]);
    if (!response.ok()) throw new Error(`Expected the Reset to be taken, got ${await response.text()}`);
    const sent = response.request().postDataJSON() as {
      workflowExecution: { workflowId: string; runId: string };
      workflowTaskFinishEventId: string | number;
      reason: string;
    };
    const { runId: newRunId } = (await response.json()) as { runId: string };
    return {
      ...sent.workflowExecution,
      eventId: String(sent.workflowTaskFinishEventId),
      reason: sent.reason,
      newRunId,
    };
  }

  /** From the execution that was reset to the one that came of it, by the link that the page offers. */
  async followReset(runId: string): Promise<void> {
    await this.page.getByTestId('workflow-reset-alert').getByRole('link').click();
    await this.page.waitForURL((url) => url.pathname.includes(runId));
  }

  /** By its role: the page holds a second one, hidden, for narrow windows. */
  get #dialog(): Locator {
    return this.page.getByRole('dialog', { name: 'Reset Workflow' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.close();
  }
}
