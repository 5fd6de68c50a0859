/* What plugin_outer.c opens. */
const char *plugin_says(void);

const char *plugin_says(void)
{
    return "inner";
}
