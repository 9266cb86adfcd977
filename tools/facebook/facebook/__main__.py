from facebook.main import main

main()
