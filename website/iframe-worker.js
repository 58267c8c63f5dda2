// Search in pages that are opened as files: there a browser starts no worker, so the worker's script runs in a hidden frame.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(url) {
      this.waiting = []
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.append(this.frame)
      this.scope = this.frame.contentWindow
      // What the script sends goes to the page; what the page sends reaches the script as an event.
      this.scope.postMessage = data => setTimeout(() => this.onmessage?.({ data }))
      const script = this.frame.contentDocument.createElement("script")
      script.src = new URL(url, location.href).href
      script.onload = () => {
        this.loaded = true
        this.waiting.splice(0).forEach(data => this.postMessage(data))
      }
      script.onerror = event => this.onerror?.(event)
      this.frame.contentDocument.body.append(script)
    }

    postMessage(data) {
      if (this.loaded) this.scope.dispatchEvent(new this.scope.MessageEvent("message", { data }))
      else this.waiting.push(data)
    }

    terminate() {
      this.frame.remove()
    }
  }
}
