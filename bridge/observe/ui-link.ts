/** Where Temporal's UI shows an execution. */
export function uiLink(base: string, namespace: string, workflowId = '', runId?: string): string {
  const url = `${base.replace(/\/+$/, '')}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}`;
  return runId === undefined ? url : `${url}/${runId}/history`;
}
