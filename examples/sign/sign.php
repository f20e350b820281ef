<?php
// Signs the URL of a private image: php sign.php KEY PATH SECONDS

function sign(string $key, string $path, int $seconds): string
{
    $text = $path . (str_contains($path, '?') ? '&' : '?') . 'exp=' . (time() + $seconds);
    return $text . '&sig=' . hash_hmac('sha256', $text, $key);
}

echo sign($argv[1], $argv[2], (int) $argv[3]), "\n";
