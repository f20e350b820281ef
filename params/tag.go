package params

// Purge tags: what an answer is made from, in the one spelling that the store,
// the cache and every purge use.

// ImageTag marks everything made from a hosted image.
func ImageTag(account, image string) string { return "image:" + account + "/" + image }

// VariantTag marks everything made with a named variant.
func VariantTag(account, name string) string { return "variant:" + account + "/" + name }

// AccountTag marks everything that an account's settings shape.
func AccountTag(account string) string { return "account:" + account }

// SourceTag marks everything made from a remote source, given as an absolute URL.
func SourceTag(url string) string { return "source:" + url }
