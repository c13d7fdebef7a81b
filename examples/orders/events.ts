/** What stands in the topic `orders`. */
export interface OrderPlaced {
  readonly orderId: string;
  readonly article: string;
  readonly quantity: number;
}

/** What stands in the topic `payments`. */
export interface PaymentReceived {
  readonly paymentId: string;
  readonly orderId: string;
  readonly cents: number;
  /** Lets the example show what goes wrong in real life. */
  readonly trouble?: 'bank-slow' | 'card-stolen';
}
