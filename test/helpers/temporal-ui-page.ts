import type { Browser, Page, Request } from 'playwright-core';
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

  /** The list of executions, searched. Visibility lags: it is loaded again until this many are shown. */
  async list(query: string): Promise<void> {
    await this.page.goto(`${uiLink(this.#url, this.#namespace)}?query=${encodeURIComponent(query)}`);
  }

  /** Clicks an execution in the list. */
  async follow(workflowId: string): Promise<void> {
    await this.page.getByRole('link', { name: workflowId, exact: true }).first().click();
    await this.page.getByTestId('workflow-id-heading').waitFor();
  }

  /** Opens the Reset dialog. @returns the events that it offers, in its order */
  async openReset(): Promise<readonly string[]> {
    await this.page.getByRole('button', { name: 'More Actions' }).click();
    await this.page.getByTestId('reset-button').click();
    await this.page.getByTestId('workflow-reset-event-id-select').click();
    return this.page.getByRole('option').allInnerTexts();
  }

  /** Chooses an event that is offered, gives the reason, and confirms. */
  async reset(offered: string, reason: string): Promise<SentReset> {
    await this.page.getByRole('option', { name: offered, exact: true }).click();
    const dialog = this.page.getByTestId('reset-confirmation-modal');
    await dialog.getByLabel('Reason').fill(reason);
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.close();
  }
}
