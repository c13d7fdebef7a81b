/** `@temporalio/proto` is CommonJS whose names Node can't see: they come by its default export. */
import proto from '@temporalio/proto';

export const { google, temporal } = proto;
