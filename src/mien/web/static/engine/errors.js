// An error whose message is a sentence for the person before the page.

export class MienError extends Error {}

/** A photo that cannot be read: it becomes a result with the outcome "unreadable", not an error of the page. */
export class ImageError extends MienError {}
