import type { ResolvedConfig } from '../config/resolved.js';

/** Where Temporal's UI shows an execution. */
export function uiLink(base: string, namespace: string, workflowId = '', runId?: string): string {
  const url = `${base.replace(/\/+$/, '')}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}`;
  return runId === undefined ? url : `${url}/${runId}/history`;
}

/** The same for a configuration; undefined where it does not say where the UI is. */
export function configuredLink(
  { uiUrl, temporal }: Pick<ResolvedConfig, 'uiUrl' | 'temporal'>,
  workflowId?: string,
  runId?: string,
): string | undefined {
  return uiUrl === undefined ? undefined : uiLink(uiUrl, temporal.namespace, workflowId, runId);
}
