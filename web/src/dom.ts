// SPDX-License-Identifier: Apache-2.0

/** A little help for building pages from elements, without a framework. */

type Value = string | number | boolean | undefined;
type Child = Node | string | (() => string) | undefined | false;

export type Props<T> = {
  /** called on the event; the listener goes away with the scope */
  on?: { [E in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[E], element: T) => void };
} & Record<string, Value | (() => Value) | object>;

/**
 * A Scope owns what one view builds: elements whose texts follow the language, the zone and the clock, its timers, its
 * requests. Children and attributes given as functions are evaluated again by refresh. dispose ends all of it.
 */
export class Scope {
  readonly #controller = new AbortController();
  readonly #updates: (() => void)[] = [];

  /** signal is aborted when the view is left. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** h makes an element. Attributes that are false or undefined are left out, true makes an empty one. */
  h<K extends keyof HTMLElementTagNameMap>(
    tag: K, props: Props<HTMLElementTagNameMap[K]> = {}, ...children: Child[]
  ): HTMLElementTagNameMap[K] {
    const element = document.createElement(tag);
    const { on, ...attributes } = props;
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === 'function') {
        this.follow(() => setAttribute(element, name, (value as () => Value)()));
      } else {
        setAttribute(element, name, value as Value);
      }
    }
    for (const [event, listener] of Object.entries(on ?? {})) {
      if (typeof listener === 'function') {
        const call = listener as (event: Event, element: HTMLElement) => void;
        element.addEventListener(event, (e) => call(e, element), { signal: this.signal });
      }
    }
    this.append(element, ...children);
    return element;
  }

  append(parent: Node, ...children: Child[]): void {
    for (const child of children) {
      if (child === undefined || child === false) {
        continue;
      }
      if (typeof child === 'function') {
        const text = document.createTextNode('');
        this.follow(() => {
          const s = child();
          if (text.data !== s) {
            text.data = s;
          }
        });
        parent.appendChild(text);
      } else {
        parent.appendChild(typeof child === 'string' ? document.createTextNode(child) : child);
      }
    }
  }

  /** follow runs update now and at each refresh. */
  follow(update: () => void): void {
    this.#updates.push(update);
    update();
  }

  /** refresh brings every followed text and attribute up to date. */
  refresh(): void {
    for (const update of [...this.#updates]) { // a copy: an update may replace a part of the page
      update();
    }
  }

  /** every calls f each ms milliseconds. */
  every(ms: number, f: () => void): void {
    const timer = setInterval(f, ms);
    this.onDispose(() => clearInterval(timer));
  }

  onDispose(f: () => void): void {
    if (this.signal.aborted) {
      f();
    } else {
      this.signal.addEventListener('abort', f, { once: true });
    }
  }

  dispose(): void {
    this.#controller.abort();
    this.#updates.length = 0;
  }

  /**
   * child makes a scope for a part of the view that is replaced as a whole. It ends with its parent, and refresh of
   * the parent reaches it.
   */
  child(): Scope {
    const scope = new Scope();
    const refresh = (): void => scope.refresh();
    this.#updates.push(refresh);
    this.onDispose(() => scope.dispose());
    scope.onDispose(() => {
      const at = this.#updates.indexOf(refresh);
      if (at >= 0) {
        this.#updates.splice(at, 1);
      }
    });
    return scope;
  }

  /** region makes a part of the page that show fills anew each time; what it held before is disposed of. */
  region<K extends keyof HTMLElementTagNameMap>(
    tag: K, props: Props<HTMLElementTagNameMap[K]> = {},
  ): { element: HTMLElementTagNameMap[K]; show: (fill: (scope: Scope) => (Node | string)[]) => void } {
    const element = this.h(tag, props);
    let current: Scope | undefined;
    return {
      element,
      show: (fill) => {
        current?.dispose();
        current = this.child();
        element.replaceChildren(...fill(current));
      },
    };
  }
}

function setAttribute(element: HTMLElement, name: string, value: Value): void {
  if (name === 'value' && (element instanceof HTMLInputElement || element instanceof HTMLSelectElement)) {
    element.value = value === undefined ? '' : String(value);
  } else if (value === undefined || value === false) {
    element.removeAttribute(name);
  } else {
    const text = value === true ? '' : String(value);
    if (element.getAttribute(name) !== text) {
      element.setAttribute(name, text);
    }
  }
}
