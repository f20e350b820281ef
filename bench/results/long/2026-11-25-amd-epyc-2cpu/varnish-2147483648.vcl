# /usr/sbin/varnishd -F -j none -n FOLDER/03-Varnish/work -f FOLDER/03-Varnish/varnish.vcl -a 127.0.0.1:38637 -s malloc,2097152k -p thread_pool_min=200 -p thread_pool_max=4000
vcl 4.1;
backend origin { .host = "127.0.0.1"; .port = "44053"; }
sub vcl_backend_response { set beresp.ttl = 1d; set beresp.grace = 1h; }
